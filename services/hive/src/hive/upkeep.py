"""Small recurring chores of the platform, once an hour: history partitions, what has expired, and files nobody refers to."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from obstore.exceptions import BaseError
from sqlalchemy.exc import SQLAlchemyError

from hive.attachments.sweep import AT_ONCE, sweep
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
        try:
            while await sweep(hive) == AT_ONCE:
                pass
        except (OSError, SQLAlchemyError, asyncpg.PostgresError, BaseError) as error:
            log.warning("sweep_failed", error=str(error))
        await asyncio.sleep(SECONDS)
