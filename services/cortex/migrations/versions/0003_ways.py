"""Ways to run a job beyond the runner's own choice: a worker's runner, and modules of a misp-modules server."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql(op, Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
