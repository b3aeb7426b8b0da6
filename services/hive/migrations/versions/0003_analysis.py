"""Observables, analysis and history complete: actions of responders, history of received cases, exports and imports."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0003"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
