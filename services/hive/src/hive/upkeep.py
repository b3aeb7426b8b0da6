"""Small recurring chores of the platform, once an hour: history partitions, and what has expired."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hive.platform import Hive

log = structlog.get_logger(__name__)
SECONDS = 3600.0
CHORES = (
    "SELECT ensure_audit_partitions(3)",
    "DELETE FROM sessions WHERE expires_at < now()",
    "DELETE FROM login_attempts WHERE updated_at < now() - interval '1 day'",
    "DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day'",
    "DELETE FROM claims WHERE expires_at < now()",
)


async def run(hive: Hive) -> None:
    """Works until it is cancelled."""
    while True:
        for chore in CHORES:
            try:
                await hive.database.fetch(chore, system=True)
            except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
                log.warning("chore_failed", chore=chore, error=str(error))
        await asyncio.sleep(SECONDS)
