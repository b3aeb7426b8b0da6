"""What a page may ask for beside its objects (`extraData`, hive-v1 §4.6): one statement per name and page, never per object.

A name that is not known here is ignored, as the contract has it. Everything is read as the caller: what they may not see is
neither counted nor shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.alerts.schemas import alert_out
from hive.cases import links
from hive.cases.models import Case
from hive.cases.schemas import case_out, durations, permissions_on
from hive.identity.caller import Caller
from hive.identity.models import Organisation
from hive.procedures.catalogue import tactic_label
from hive.procedures.models import Pattern
from hive.procedures.schemas import pattern_out
from hive.tables import text_id
from hive.tasks.models import Task
from hive.tasks.schemas import task_out

Values = dict[int, Any]
Extra = Callable[[AsyncSession, Caller, Sequence[Any]], Awaitable[Values]]


def _counted(sql: str) -> Extra:
    """Rows of (id, n); what is not among them counts nought."""

    async def extra(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
        ids = [row.id for row in rows]
        found = {row.id: row.n for row in await session.execute(text(sql), {"ids": ids, "org": caller.org_id})}
        return {one: found.get(one, 0) for one in ids}

    return extra


def _selected(sql: str, empty: Callable[[], Any] | None = None) -> Extra:
    """Rows of (id, value); the others have `empty`, or nothing."""

    async def extra(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
        given = {"ids": [row.id for row in rows], "org": caller.org_id}
        found: Values = {row.id: row.value for row in await session.execute(text(sql), given)}
        if empty is not None:
            for row in rows:
                found.setdefault(row.id, empty())
        return found

    return extra


def _plain(value: Callable[[Any, Caller], Any]) -> Extra:
    """Known from the object itself."""

    async def extra(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
        return {row.id: shown for row in rows if (shown := value(row, caller)) is not None}

    return extra


async def _cases(session: AsyncSession, caller: Caller, case_ids: set[int]) -> dict[int, Any]:
    rows = await session.scalars(select(Case).where(Case.id.in_(case_ids)))
    return {row.id: case_out(row, caller) for row in rows}


async def _case_of(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    found = await _cases(session, caller, {row.case_id for row in rows if row.case_id})
    return {row.id: found[row.case_id] for row in rows if row.case_id in found}


async def _case_links(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    return dict(await links.of_cases(session, [row.id for row in rows]))


async def _parent_links(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    """The case or alert that a comment or observable hangs on."""
    cases = await _cases(session, caller, {row.case_id for row in rows if row.case_id})
    ids = {row.alert_id for row in rows if row.alert_id}
    alerts = {one.id: alert_out(one) for one in await session.scalars(select(Alert).where(Alert.id.in_(ids)))}
    found: Values = {}
    for row in rows:
        if row.case_id in cases:
            found[row.id] = {"case": cases[row.case_id]}
        elif row.alert_id in alerts:
            found[row.id] = {"alert": alerts[row.alert_id]}
    return found


async def _task_of_log(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    ids = {row.task_id for row in rows}
    tasks = {one.id: task_out(one) for one in await session.scalars(select(Task).where(Task.id.in_(ids)))}
    return {row.id: tasks[row.task_id] for row in rows if row.task_id in tasks}


async def _owning(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    ids = {row.org_id for row in rows}
    named = {one.id: one.name for one in await session.scalars(select(Organisation).where(Organisation.id.in_(ids)))}
    return {row.id: named[row.org_id] for row in rows}


async def _case_number(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    found = await _cases(session, caller, {row.case_id for row in rows if row.case_id})
    return {row.id: found[row.case_id]["number"] for row in rows if row.case_id in found}


async def _pattern(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    return await _patterns(session, {row.id: row.pattern_id for row in rows})


async def _pattern_parent(session: AsyncSession, caller: Caller, rows: Sequence[Any]) -> Values:
    refined = {row.id: row.pattern_id.partition(".")[0] for row in rows if "." in row.pattern_id}
    return await _patterns(session, refined)


async def _patterns(session: AsyncSession, wanted: dict[int, str]) -> Values:
    rows = await session.scalars(select(Pattern).where(Pattern.pattern_id.in_(set(wanted.values()))))
    found = {row.pattern_id: pattern_out(row) for row in rows}
    return {one: found[pattern_id] for one, pattern_id in wanted.items() if pattern_id in found}


def _status(kind: str) -> Extra:
    return _selected(
        f"SELECT x.id, jsonb_build_object('value', s.value, 'stage', s.stage, 'colour', s.colour) AS value FROM {kind}s x"
        f" JOIN statuses s ON s.kind = '{kind}' AND s.value = x.status WHERE x.id = ANY(:ids)"
    )


def _owned(row: Any, caller: Caller) -> bool:
    return bool(row.org_id == caller.org_id)


def _handling(divisor: int) -> Extra:
    def value(row: Any, caller: Caller) -> int | None:
        found = durations(row)["handlingDuration"]
        return None if found is None else found // divisor

    return _plain(value)


TASK_STATS = """SELECT case_id AS id, jsonb_build_object('total', count(*),
 'completed', count(*) FILTER (WHERE status = 'Completed'), 'inProgress', count(*) FILTER (WHERE status = 'InProgress'),
 'waiting', count(*) FILTER (WHERE status = 'Waiting'), 'cancel', count(*) FILTER (WHERE status = 'Cancel')) AS value
 FROM tasks WHERE case_id = ANY(:ids) GROUP BY case_id"""
NO_TASKS = {"total": 0, "completed": 0, "inProgress": 0, "waiting": 0, "cancel": 0}
CASE_ALERTS = """SELECT case_id AS id, jsonb_agg(jsonb_build_object('_id', '~' || id, 'type', type, 'source', source,
 'sourceRef', source_ref, 'title', title) ORDER BY id) AS value FROM alerts WHERE case_id = ANY(:ids) GROUP BY case_id"""
CONTRIBUTORS = """SELECT case_id AS id, array_agg(DISTINCT actor ORDER BY actor) AS value FROM audit
 WHERE case_id = ANY(:ids) GROUP BY case_id"""
SHARES = "SELECT w.id, count(s.id) AS n FROM unnest(CAST(:ids AS bigint[])) w(id) CROSS JOIN LATERAL shares_of(w.id) s"
ACTION_REQUIRED = """SELECT k.id, coalesce(bool_or(r.required), false) AS value FROM tasks k
 LEFT JOIN task_requests r ON r.task_id = k.id AND r.org_id = :org WHERE k.id = ANY(:ids) GROUP BY k.id"""
CASE_ACTION_REQUIRED = """SELECT k.case_id AS id, bool_or(r.required) AS value FROM tasks k
 JOIN task_requests r ON r.task_id = k.id AND r.org_id = :org WHERE k.case_id = ANY(:ids) GROUP BY k.case_id"""
ACTION_MAP = """SELECT r.task_id AS id, jsonb_object_agg(o.name, r.required) AS value FROM task_requests r
 JOIN organisations o ON o.id = r.org_id WHERE r.task_id = ANY(:ids) GROUP BY r.task_id"""
SEEN = """SELECT o.id, true AS value FROM observables o WHERE o.id = ANY(:ids) AND NOT o.ignore_similarity AND EXISTS (
 SELECT FROM observables x WHERE x.org_id = :org AND x.value_key = o.value_key AND x.data_type = o.data_type
 AND x.parent_id <> o.parent_id AND NOT x.ignore_similarity)"""
OF_CASE = "SELECT case_id AS id, count(*) AS n FROM {table} WHERE case_id = ANY(:ids) GROUP BY case_id"

EXTRAS: dict[str, dict[str, Extra]] = {
    "case": {
        "links": _case_links,
        "observableStats": _selected(
            "SELECT case_id AS id, jsonb_build_object('total', count(*), 'ioc', count(*) FILTER (WHERE ioc)) AS value"
            " FROM observables WHERE case_id = ANY(:ids) GROUP BY case_id",
            lambda: {"total": 0, "ioc": 0},
        ),
        "taskStats": _selected(TASK_STATS, lambda: dict(NO_TASKS)),
        "alerts": _selected(CASE_ALERTS, list),
        "alertCount": _counted(OF_CASE.format(table="alerts")),
        "isOwner": _plain(_owned),
        "shareCount": _counted(f"{SHARES} WHERE NOT s.owner GROUP BY w.id"),
        "permissions": _plain(permissions_on),
        "actionRequired": _selected(CASE_ACTION_REQUIRED, lambda: False),
        "procedureCount": _counted(OF_CASE.format(table="procedures")),
        "attachmentCount": _counted(
            "SELECT case_id AS id, count(*) AS n FROM attachments WHERE case_id = ANY(:ids) AND log_id IS NULL GROUP BY case_id"
        ),
        "contributors": _selected(CONTRIBUTORS, list),
        "status": _status("case"),
        "owningOrganisation": _owning,
        "computed.handlingDuration": _handling(1),
        "computed.handlingDurationInSeconds": _handling(1000),
        "computed.handlingDurationInMinutes": _handling(60_000),
        "computed.handlingDurationInHours": _handling(3_600_000),
        "computed.handlingDurationInDays": _handling(86_400_000),
    },
    "alert": {
        "importDate": _plain(lambda row, _: row.imported_date),
        "caseNumber": _case_number,
        "relatedCase": _case_of,
        "status": _status("alert"),
        "procedureCount": _counted(
            "SELECT alert_id AS id, count(*) AS n FROM procedures WHERE alert_id = ANY(:ids) GROUP BY alert_id"
        ),
    },
    "task": {
        "case": _case_of,
        "caseId": _plain(lambda row, _: text_id(row.case_id)),
        "isOwner": _plain(_owned),
        "shareCount": _counted(
            "SELECT w.id, count(s.org_id) AS n FROM unnest(CAST(:ids AS bigint[])) w(id)"
            " CROSS JOIN LATERAL receivers_of_task(w.id) s(org_id) GROUP BY w.id"
        ),
        "actionRequired": _selected(ACTION_REQUIRED, lambda: False),
        "actionRequiredMap": _selected(ACTION_MAP, dict),
        "logCount": _counted("SELECT task_id AS id, count(*) AS n FROM logs WHERE task_id = ANY(:ids) GROUP BY task_id"),
    },
    "observable": {
        "seen": _selected(SEEN, lambda: False),
        "links": _parent_links,
        "isOwner": _plain(_owned),
        "shareCount": _counted(
            "SELECT w.id, count(s.org_id) AS n FROM unnest(CAST(:ids AS bigint[])) w(id)"
            " CROSS JOIN LATERAL receivers_of_observable(w.id) s(org_id) GROUP BY w.id"
        ),
    },
    "log": {
        "case": _case_of,
        "task": _task_of_log,
        "taskId": _plain(lambda row, _: text_id(row.task_id)),
    },
    "comment": {"links": _parent_links},
    "procedure": {
        "pattern": _pattern,
        "patternParent": _pattern_parent,
        "tactic": _plain(lambda row, _: {"name": row.tactic, "label": tactic_label(row.tactic)}),
    },
    "organisation": {
        "userCount": _counted("SELECT org_id AS id, count(*) AS n FROM memberships WHERE org_id = ANY(:ids) GROUP BY org_id"),
    },
}  # fmt: skip


async def add_extras(
    session: AsyncSession, caller: Caller, kind: str, names: Sequence[str], rows: Sequence[Any], shown: Sequence[dict[str, Any]]
) -> None:
    """Fills in `extraData` of the objects shown for the rows."""
    known = EXTRAS.get(kind, {})
    for name in dict.fromkeys(names):
        if name not in known or not rows:
            continue
        values = await known[name](session, caller, rows)
        for row, one in zip(rows, shown, strict=True):
            if row.id in values:
                one["extraData"][name] = values[row.id]
