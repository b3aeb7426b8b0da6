"""Telling the connector that the IOCs of an exported case changed: once the burst of changes is over, for every case once."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from hive.cases.lookup import find
from hive.events.outgoing import tell
from hive.identity.caller import platform_caller
from hive.misp.document import exported_case, kept
from hive.platform import Hive
from hive.tables import text_id
from waggle.contracts.messages.cases import CaseIocsChanged
from waggle.errors import NotFound

log = structlog.get_logger(__name__)
LOOK_SECONDS = 5.0
DUE = (
    "SELECT DISTINCT e.case_id, o.id, o.name FROM case_exports e JOIN cases c ON c.id = e.case_id"
    " JOIN organisations o ON o.id = c.org_id"
    " WHERE e.iocs_changed_at < now() - make_interval(secs => $1) ORDER BY e.case_id LIMIT 100"
)
TAKE = text(
    "UPDATE case_exports SET iocs_changed_at = NULL WHERE case_id = :case AND iocs_changed_at IS NOT NULL RETURNING instance"
)


async def run(hive: Hive) -> None:
    """Works until it is cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await push_due(hive)
        except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("push_failed", error=str(error))


async def push_due(hive: Hive) -> int:
    """How many cases were told of. Several processes may look: the row is taken by one of them."""
    rows = await hive.database.fetch(DUE, hive.settings.export_quiet_seconds, system=True)
    return sum([await _push(hive, row["case_id"], row["id"], row["name"]) for row in rows])


async def _push(hive: Hive, case_id: int, org_id: int, organisation: str) -> bool:
    caller = platform_caller(org_id, organisation)
    async with hive.database.begin(caller.scope()) as session:
        instances = sorted(await session.scalars(TAKE, {"case": case_id}))
        if not instances:
            return False
        try:
            case = await find(session, text_id(case_id))
        except NotFound:
            return False  # merged meanwhile; the marks are gone with this transaction
        reference = await kept(hive, session, await exported_case(hive, session, case))
        message = CaseIocsChanged(case_id=text_id(case_id), instances=tuple(instances), case_ref=reference)
        await tell(session, caller, message, key=f"case:{text_id(case_id)}")
    hive.wake()
    return True
