"""Deleting a case with everything under it. Alerts survive: they are no part of it."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.models import Case
from hive.cases.service import news
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.tables import text_id
from waggle.contracts.messages.cases import CaseDeleted
from waggle.ids import now_ms


async def remove(session: AsyncSession, caller: Caller, case: Case) -> None:
    """Removes the case for every organisation that has it. Raises Forbidden for a receiver of it."""
    rights.check_owner(caller, case.org_id, "deletes it")
    gone = {
        "number": case.number, "title": case.title, "description": case.description, "severity": case.severity, "tlp": case.tlp,
        "pap": case.pap, "status": case.status, "tags": case.tags, "startDate": case.start_date, "endDate": case.end_date,
    }  # fmt: skip
    message = news(CaseDeleted, case, ())
    # The alerts of receivers, too, which only a function of the owner reaches.
    await session.execute(
        text("SELECT release_alerts(:case, :at, :login)"), {"case": case.id, "at": now_ms(), "login": caller.login}
    )
    await session.delete(case)
    await session.flush()
    root = Root("case", case.id)
    await record(session, caller, action="delete", kind="case", object_id=case.id, root=root, details={}, gone=gone)
    await tell(session, caller, message, key=f"case:{text_id(case.id)}")
