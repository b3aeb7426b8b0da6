"""What pages and counts of lists read at ten million rows."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0006"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
