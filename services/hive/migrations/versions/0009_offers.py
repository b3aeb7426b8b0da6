"""What sources tell of cases and alerts that people work on: offers, and what was told last."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0009"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
