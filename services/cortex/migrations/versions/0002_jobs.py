"""What running jobs needs beyond the base: queuing rates, deadlines, verdicts, networks, retention."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql(op, Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
