"""The model of docs: people, workers, jobs, reports, and who may see which row."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql(op, (Path(__file__).with_suffix(".sql")).read_text(encoding="utf-8"))
