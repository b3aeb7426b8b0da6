"""The first schema: people, catalogues, alerts, cases, observables, analysis, history, and both walls around them."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql
from waggle.messaging.inbox import INBOX_SQL
from waggle.messaging.outbox import OUTBOX_SQL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCRIPTS = Path(__file__).parents[1] / "sql" / "0001"


def upgrade() -> None:
    for script in sorted(SCRIPTS.glob("*.sql")):
        run_sql(op, script.read_text("utf-8"))
    for machinery in (OUTBOX_SQL, INBOX_SQL):
        run_sql(op, machinery.format(app="hive_app", system="hive_system"))
