"""Instances as the connector told of them, and requests to export a case."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive import claims
from hive.attachments.files import remember
from hive.audit.service import Root, record
from hive.cases.models import Case
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.platform import Hive
from hive.tables import text_id
from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.misp import CaseExportRequested
from waggle.errors import NotFound
from waggle.ids import now_ms

REQUEST = text(
    "INSERT INTO case_exports (org_id, case_id, instance, event_uuid, state, requested_by, requested_at)"
    " VALUES (:org, :case, :instance, :event, 'requested', :login, :now)"
    " ON CONFLICT (case_id, instance) DO UPDATE SET state = 'requested', requested_by = :login, requested_at = :now,"
    " finished_at = NULL"
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


async def request_export(hive: Hive, session: AsyncSession, caller: Caller, case: Case, instance: str) -> None:
    """Asks the connector to make or update the MISP event of a case. Raises NotFound for an instance nobody told of."""
    known = await session.scalar(text("SELECT name FROM misp_instances WHERE name = :name"), {"name": instance})
    if known is None:
        raise NotFound(f"MISP server {instance[:200]} not found")
    namespace = await session.scalar(text("SELECT export_namespace FROM installation"))
    event = uuid5(UUID(str(namespace)), f"{case.org_id}|{case.id}")
    iocs = await session.scalars(select(Observable).where(Observable.case_id == case.id, Observable.ioc).order_by(Observable.id))
    body = orjson.dumps(_document(case, list(iocs), event))
    blob = await hive.blobs.put(body)
    await remember(hive.database, blob)
    await claims.allow(session, service="misp-connector", sha256=bytes.fromhex(blob.sha256), content_type="application/json")
    await session.execute(
        REQUEST,
        {
            "org": case.org_id, "case": case.id, "instance": instance, "event": event, "login": caller.login, "now": now_ms(),
        },
    )  # fmt: skip
    reference = DataRef(sha256=blob.sha256, size=blob.size, url=f"{hive.settings.claims_url}/{blob.sha256}")
    message = CaseExportRequested(case_id=text_id(case.id), instance=instance, case_ref=reference)
    await tell(session, caller, message, key=f"export:{text_id(case.id)}:{instance}")
    root = Root("case", case.id)
    details = {"export": {"instance": instance, "state": "requested"}}
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details)


def _document(case: Case, iocs: list[Observable], event: UUID) -> dict[str, Any]:
    """The case with its IOCs as the connector gets it."""
    return {
        "event_uuid": str(event), "case_id": text_id(case.id), "number": case.number, "title": case.title,
        "description": case.description, "severity": case.severity, "tlp": case.tlp, "pap": case.pap,
        "start_date": case.start_date, "tags": case.tags, "version": case.version,
        "observables": [
            {
                "id": text_id(one.id), "data_type": one.data_type, "data": one.data, "file_name": one.file_name,
                "sha256": one.sha256.hex() if one.sha256 else None, "tlp": one.tlp, "tags": one.tags, "message": one.message,
                "sighted": one.sighted, "first_seen": one.first_seen, "origin": one.origin,
            }
            for one in iocs
        ],
    }  # fmt: skip


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
