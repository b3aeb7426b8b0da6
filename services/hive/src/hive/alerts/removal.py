"""Deleting alerts, with everything that hangs on them; and taking them out of a case again."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.alerts.service import news, settle
from hive.audit.service import Root, record
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.tables import text_id
from waggle.contracts.messages.alerts import AlertDeleted
from waggle.errors import NotFound


async def remove(session: AsyncSession, caller: Caller, alert: Alert) -> None:
    """The alert's observables, comments, procedures and files go with it; a case it became stays. Its triple is free again."""
    gone = {
        "type": alert.type, "source": alert.source, "sourceRef": alert.source_ref, "title": alert.title,
        "description": alert.description, "severity": alert.severity, "tlp": alert.tlp, "pap": alert.pap, "date": alert.date,
        "status": alert.status, "tags": alert.tags, "caseId": text_id(alert.case_id) if alert.case_id else None,
    }  # fmt: skip
    message = news(AlertDeleted, alert, ())
    await session.delete(alert)
    await session.flush()
    root = Root("alert", alert.id)
    await record(session, caller, action="delete", kind="alert", object_id=alert.id, root=root, details={}, gone=gone)
    await tell(session, caller, message, key=f"alert:{text_id(alert.id)}")


async def unlink(session: AsyncSession, caller: Caller, alert: Alert, case_id: int) -> None:
    """Takes an alert out of its case: it is new again, and what was copied stays in the case. Raises NotFound."""
    if alert.case_id != case_id:
        raise NotFound(f"Alert {text_id(alert.id)} is not linked to case {text_id(case_id)}")
    alert.case_id, alert.status, alert.stage, alert.read = None, "New", "New", False
    await settle(session, caller, alert, ["case_id", "status", "read"])
