"""Notice of changes to accounts, and what searches at ten million rows need."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0005"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
