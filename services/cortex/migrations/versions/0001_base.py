"""The whole model: people, workers, jobs, reports, messages, and who may see which row."""

from pathlib import Path

from alembic import op

from waggle.db.migrate import run_sql
from waggle.messaging.inbox import INBOX_SQL
from waggle.messaging.outbox import OUTBOX_SQL

revision = "0001"
down_revision = None
LOGINS = {"app": "cortex_app", "system": "cortex_system"}


def upgrade() -> None:
    run_sql(op, OUTBOX_SQL.format(**LOGINS) + INBOX_SQL.format(**LOGINS))
    run_sql(op, Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
