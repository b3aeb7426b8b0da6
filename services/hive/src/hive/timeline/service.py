"""Gathering the timeline of a case, and the events that analysts enter themselves (hive-v1 §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.models import Case
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.tables import number_of, text_id, touch
from hive.timeline.models import CustomEvent
from hive.timeline.schemas import OutputTimelineEvent
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

# Each part sees only what the caller may see of the case: the tables are under row-level security.
EVENTS = text("""
SELECT date, CAST(NULL AS bigint) AS end_date, 'AlertOccurred' AS kind, 'Alert' AS entity, id,
  jsonb_build_object('title', title, 'type', type, 'source', source, 'sourceRef', source_ref, 'severity', severity) AS details
  FROM alerts WHERE case_id = :case
UNION ALL SELECT created_at, NULL, 'CaseCreated', 'Case', id, jsonb_build_object('number', number, 'title', title)
  FROM cases WHERE id = :case
UNION ALL SELECT in_progress_date, NULL, 'InvestigationStarted', 'Case', id, jsonb_build_object('number', number, 'title', title)
  FROM cases WHERE id = :case AND in_progress_date IS NOT NULL
UNION ALL SELECT end_date, NULL, 'TaskCompleted', 'Task', id, jsonb_build_object('title', title, 'group', task_group)
  FROM tasks WHERE case_id = :case AND status = 'Completed' AND end_date IS NOT NULL
UNION ALL SELECT l.include_in_timeline, NULL, 'TaskLog', 'Log', l.id,
  jsonb_build_object('message', l.message, 'taskId', '~' || l.task_id, 'owner', l.created_by)
  FROM logs l WHERE l.case_id = :case AND l.include_in_timeline IS NOT NULL
UNION ALL SELECT sighted_at, NULL, 'IocSighted', 'Observable', id,
  jsonb_build_object('dataType', data_type, 'data', coalesce(data, file_name))
  FROM observables WHERE case_id = :case AND ioc AND sighted AND sighted_at IS NOT NULL
UNION ALL SELECT p.occur_date, NULL, 'Procedure', 'Procedure', p.id,
  jsonb_build_object('patternId', p.pattern_id, 'patternName', t.name, 'tactic', p.tactic, 'description', p.description)
  FROM procedures p JOIN patterns t USING (pattern_id) WHERE p.case_id = :case
UNION ALL SELECT date, end_date, 'CustomEvent', 'CustomEvent', id,
  jsonb_build_object('title', title, 'description', description)
  FROM custom_events WHERE case_id = :case
ORDER BY 1, 5
""")


async def timeline(session: AsyncSession, case: Case) -> list[OutputTimelineEvent]:
    """Everything of the case that carries a date, oldest first; never empty, for the case itself was made once."""
    return list(_shown(await session.execute(EVENTS, {"case": case.id})))


def _shown(rows: Iterable[Any]) -> Iterable[OutputTimelineEvent]:
    for row in rows:
        event: OutputTimelineEvent = {
            "date": row.date, "kind": row.kind, "entity": row.entity, "entityId": text_id(row.id),
            "details": {k: v for k, v in row.details.items() if v is not None},
        }  # fmt: skip
        if row.end_date is not None:
            event["endDate"] = row.end_date
        yield event


def _check_order(date: int, end_date: int | None) -> None:
    if end_date is not None and end_date < date:
        raise BadRequest("an event does not end before it begins")


async def create(
    session: AsyncSession, caller: Caller, case: Case, *, date: int, title: str, end_date: int | None, description: str | None
) -> CustomEvent:
    """Raises BadRequest for an end before the beginning."""
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CUSTOM_EVENT)
    _check_order(date, end_date)
    event = CustomEvent(
        org_id=case.org_id, case_id=case.id, date=date, end_date=end_date, title=title, description=description,
        created_at=now_ms(), created_by=caller.login,
    )  # fmt: skip
    session.add(event)
    await session.flush()
    details = {"title": title, "date": date}
    root = Root("case", case.id)
    await record(session, caller, action="create", kind="custom_event", object_id=event.id, root=root, details=details)
    await session.refresh(event)
    return event


async def find(session: AsyncSession, reference: str) -> CustomEvent:
    """The event of an id, locked. Raises NotFound."""
    statement = select(CustomEvent).where(CustomEvent.id == number_of(reference))
    found = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"CustomEvent {reference[:200]} not found")
    return found


async def change(session: AsyncSession, caller: Caller, event: CustomEvent, columns: Mapping[str, Any]) -> None:
    await rights.check(session, caller, case_id=event.case_id, org_id=event.org_id, permission=Permission.CUSTOM_EVENT)
    changed = {name: value for name, value in columns.items() if getattr(event, name) != value}
    if not changed:
        return
    _check_order(changed.get("date", event.date), changed.get("end_date", event.end_date))
    for name, value in changed.items():
        setattr(event, name, value)
    touch(event, caller.login)
    await session.flush()
    root = Root("case", event.case_id)
    await record(session, caller, action="update", kind="custom_event", object_id=event.id, root=root, details=changed)


async def remove(session: AsyncSession, caller: Caller, event: CustomEvent) -> None:
    await rights.check(session, caller, case_id=event.case_id, org_id=event.org_id, permission=Permission.CUSTOM_EVENT)
    gone = {"title": event.title, "date": event.date}
    await session.delete(event)
    await session.flush()
    root = Root("case", event.case_id)
    await record(session, caller, action="delete", kind="custom_event", object_id=event.id, root=root, details={}, gone=gone)
