"""Catalogues an administrator keeps (statuses, tags and taxonomies, avatars), and what the classic API remembers."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0004"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
