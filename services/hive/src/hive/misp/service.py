"""Instances as the connector told of them, and requests to export a case."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases.models import Case
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.misp.document import exported_case, kept
from hive.platform import Hive
from hive.tables import text_id
from waggle.contracts.messages.misp import CaseExportRequested
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

REQUEST = text(
    "INSERT INTO case_exports (org_id, case_id, instance, event_uuid, state, requested_by, requested_at)"
    " VALUES (:org, :case, :instance, :event, 'requested', :login, :now)"
    " ON CONFLICT (case_id, instance) DO UPDATE SET state = 'requested', requested_by = :login, requested_at = :now,"
    " finished_at = NULL RETURNING id"
)
FINISH = text(
    "UPDATE case_exports SET state = :state, event_id = coalesce(:event_id, event_id), finished_at = :now,"
    " result = CAST(:result AS jsonb) WHERE case_id = :case AND instance = :instance"
)
TELL = text(
    "INSERT INTO misp_instances AS i (name, url, purpose, status, server_version, last_ok, last_error, told_at)"
    " VALUES (:name, :url, :purpose, :status, :version, :last_ok, :last_error, :told)"
    " ON CONFLICT (name) DO UPDATE SET url = :url, purpose = :purpose, status = :status, server_version = :version,"
    " last_ok = :last_ok, last_error = :last_error, told_at = :told WHERE i.told_at <= :told"
)


async def instances(session: AsyncSession) -> list[Any]:
    return list((await session.execute(text("SELECT * FROM misp_instances ORDER BY name"))).all())


async def request_export(
    hive: Hive, session: AsyncSession, caller: Caller, case: Case, instance: str, *, publish: bool | None = None
) -> int:
    """Asks the connector to make or update the MISP event of a case; the id of the case's record of it.

    Raises NotFound for an instance nobody told of, BadRequest for one that takes no exports.
    """
    await _check_instance(session, instance)
    document = await exported_case(hive, session, case)
    record_id = await session.scalar(
        REQUEST,
        {
            "org": case.org_id, "case": case.id, "instance": instance, "event": document.event_uuid, "login": caller.login,
            "now": now_ms(),
        },
    )  # fmt: skip
    reference = await kept(hive, session, document)
    message = CaseExportRequested(case_id=text_id(case.id), instance=instance, case_ref=reference, publish=publish)
    await tell(session, caller, message, key=f"export:{text_id(case.id)}:{instance}")
    root = Root("case", case.id)
    details = {"export": {"instance": instance, "state": "requested"}}
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details)
    return int(record_id)


async def _check_instance(session: AsyncSession, name: str) -> None:
    found = (await session.execute(text("SELECT purpose, status FROM misp_instances WHERE name = :name"), {"name": name})).first()
    if found is None or found.status == "REMOVED":
        raise NotFound(f"MISP server {name[:200]} not found")
    if found.purpose == "ImportOnly":
        raise BadRequest(f"MISP server {name} only imports")
    if found.status == "DISABLED":
        raise BadRequest(f"MISP server {name} is disabled")


async def finish_export(
    session: AsyncSession,
    caller: Caller,
    *,
    case_id: int,
    instance: str,
    state: str,
    event_id: str | None,
    result: dict[str, Any],
) -> None:
    """What became of an export, onto the case's record of it."""
    await session.execute(
        FINISH,
        {
            "case": case_id, "instance": instance, "state": state, "event_id": event_id, "now": now_ms(),
            "result": orjson.dumps(result).decode(),
        },
    )  # fmt: skip
    root = Root("case", case_id)
    details = {"export": {"instance": instance, "state": state, **({"eventId": event_id} if event_id else {})}}
    await record(session, caller, action="update", kind="case", object_id=case_id, root=root, details=details)


async def note_instance(session: AsyncSession, told: dict[str, Any]) -> None:
    """How an instance is; older news than what is known changes nothing."""
    await session.execute(TELL, told)
