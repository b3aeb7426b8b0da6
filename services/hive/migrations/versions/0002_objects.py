"""What hangs on cases and alerts (comments, pages, procedures, events, links), and sharing between organisations."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0002"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
