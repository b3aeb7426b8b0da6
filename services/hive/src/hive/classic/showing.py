"""Rows as the v0 API shows them in lists: with their parents (`nparent`) and figures (`nstats`) where asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.acting import Acting
from hive.alerts.models import Alert
from hive.analysis.models import Job, JobArtifact
from hive.attachments import service as attachments
from hive.cases.models import Case
from hive.classic import outputs
from hive.classic.search import Show, Wanted
from hive.dashboards.models import Dashboard
from hive.identity.models import User
from hive.identity.service import users_out
from hive.observables.models import Observable
from hive.tables import text_id
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate

TIMES_SEEN = text(
    "SELECT o.id, s.seen, s.ioc FROM observables o CROSS JOIN LATERAL (SELECT count(*) AS seen, bool_or(x.ioc) AS ioc FROM ("
    " SELECT x.ioc FROM observables x WHERE x.org_id = :org AND x.value_key = o.value_key AND x.data_type = o.data_type"
    " AND x.parent_id <> o.parent_id AND NOT x.ignore_similarity LIMIT 1000) x) s WHERE o.id = ANY(:ids)"
)
FIGURES = text(
    "SELECT c.id, (SELECT coalesce(jsonb_object_agg(t.status, t.n), '{}') FROM (SELECT status, count(*) AS n FROM tasks"
    " WHERE case_id = c.id GROUP BY status) t) AS tasks,"
    " (SELECT count(*) FROM observables o WHERE o.case_id = c.id) AS artifacts,"
    " (SELECT coalesce(jsonb_agg(jsonb_build_object('type', a.type, 'source', a.source) ORDER BY a.id), '[]') FROM alerts a"
    " WHERE a.case_id = c.id) AS alerts, (SELECT count(*) FROM case_shares s WHERE s.case_id = c.id AND NOT s.owner) AS shares"
    " FROM cases c WHERE c.id = ANY(:ids)"
)


async def alerts(session: AsyncSession, _: Acting, rows: Sequence[Any], __: Wanted = Wanted()) -> list[dict[str, Any]]:
    """Alerts with their observables."""
    found: dict[int, list[Observable]] = {}
    ids = [alert.id for alert in rows]
    for one in await session.scalars(select(Observable).where(Observable.alert_id.in_(ids)).order_by(Observable.id)):
        assert one.alert_id is not None
        found.setdefault(one.alert_id, []).append(one)
    return [outputs.alert_out(alert, found.get(alert.id, [])) for alert in rows]


async def cases(session: AsyncSession, acting: Acting, rows: Sequence[Case], wanted: Wanted = Wanted()) -> list[dict[str, Any]]:
    shown = [outputs.case_out(row, acting.caller) for row in rows]
    await _merges(session, rows, shown)
    if wanted.stats:
        ids = [row.id for row in rows]
        figures = {row.id: row for row in await session.execute(FIGURES, {"ids": ids})}
        for row, one in zip(rows, shown, strict=True):
            one["stats"] = _figures(figures[row.id], one, own=row.org_id == acting.caller.org_id)
    return shown


def _figures(row: Any, shown: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    merged = {name: shown[name] for name in ("mergeFrom", "mergeInto") if name in shown}
    return {
        "tasks": {**row.tasks, "total": sum(row.tasks.values())}, "artifacts": {"count": row.artifacts}, "alerts": row.alerts,
        "isOwner": own, "shareCount": row.shares, **merged,
    }  # fmt: skip


async def _merges(session: AsyncSession, rows: Sequence[Case], shown: Sequence[dict[str, Any]]) -> None:
    """`mergeInto` and `mergeFrom`, there only on cases that were merged: consumers test the keys' presence."""
    sources: dict[int, list[str]] = {}
    wanted = select(Case.id, Case.merged_into).where(Case.merged_into.in_([row.id for row in rows])).order_by(Case.id)
    for source, target in await session.execute(wanted):
        sources.setdefault(int(target or 0), []).append(text_id(source))
    for row, one in zip(rows, shown, strict=True):
        if row.merged_into is not None:
            one["mergeInto"] = text_id(row.merged_into)
        if row.id in sources:
            one["mergeFrom"] = sources[row.id]


async def _cases_by_id(session: AsyncSession, acting: Acting, ids: Iterable[int | None]) -> dict[int, dict[str, Any]]:
    rows = list(await session.scalars(select(Case).where(Case.id.in_({one for one in ids if one is not None}))))
    return {row.id: one for row, one in zip(rows, await cases(session, acting, rows), strict=True)}


async def _alerts_by_id(session: AsyncSession, acting: Acting, ids: Iterable[int | None]) -> dict[int, dict[str, Any]]:
    rows = list(await session.scalars(select(Alert).where(Alert.id.in_({one for one in ids if one is not None}))))
    return {row.id: one for row, one in zip(rows, await alerts(session, acting, rows), strict=True)}


async def tasks(session: AsyncSession, acting: Acting, rows: Sequence[Task], wanted: Wanted = Wanted()) -> list[dict[str, Any]]:
    shown = [outputs.task_out(row) for row in rows]
    if wanted.parents:
        parents = await _cases_by_id(session, acting, (row.case_id for row in rows))
        for row, one in zip(rows, shown, strict=True):
            one["case"] = parents[row.case_id]
    return shown


async def logs(session: AsyncSession, acting: Acting, rows: Sequence[Log], wanted: Wanted = Wanted()) -> list[dict[str, Any]]:
    files = await attachments.of_logs(session, [row.id for row in rows])
    shown = [outputs.log_out(row, files.get(row.id, [])) for row in rows]
    if wanted.parents:
        found = list(await session.scalars(select(Task).where(Task.id.in_({row.task_id for row in rows}))))
        above = await tasks(session, acting, found, Wanted(wanted.parents - 1))
        parents = {row.id: one for row, one in zip(found, above, strict=True)}
        for row, one in zip(rows, shown, strict=True):
            one["case_task"] = parents[row.task_id]
    return shown


async def observables(
    session: AsyncSession, acting: Acting, rows: Sequence[Observable], wanted: Wanted = Wanted()
) -> list[dict[str, Any]]:
    shown = [outputs.observable_out(row) for row in rows]
    if wanted.parents:
        of_cases = await _cases_by_id(session, acting, (row.case_id for row in rows))
        of_alerts = await _alerts_by_id(session, acting, (row.alert_id for row in rows))
        for row, one in zip(rows, shown, strict=True):
            if row.case_id is not None:
                one["case"] = of_cases[row.case_id]
            elif row.alert_id is not None:
                one["alert"] = of_alerts[row.alert_id]
    if wanted.stats:
        ids = [row.id for row in rows]
        found = {one.id: one for one in await session.execute(TIMES_SEEN, {"org": acting.caller.org_id, "ids": ids})}
        for row, one in zip(rows, shown, strict=True):
            one["stats"] = {"seen": found[row.id].seen, "ioc": bool(found[row.id].ioc)}
    return shown


async def jobs(session: AsyncSession, acting: Acting, rows: Sequence[Job], wanted: Wanted = Wanted()) -> list[dict[str, Any]]:
    """Jobs with what they found. Of a long report, kept as a file, a list has everything but its body (`full`)."""
    ended = [row.id for row in rows if row.status == "Success"]
    bodies = {row.id: row.report for row in await session.execute(select(Job.id, Job.report).where(Job.id.in_(ended)))}
    found: dict[int, list[JobArtifact]] = {}
    for one in await session.scalars(select(JobArtifact).where(JobArtifact.job_id.in_(ended)).order_by(JobArtifact.id)):
        found.setdefault(one.job_id, []).append(one)
    shown = [outputs.job_out(row, full=bodies.get(row.id), artifacts=found.get(row.id, [])) for row in rows]
    if wanted.parents:
        above = list(await session.scalars(select(Observable).where(Observable.id.in_({row.observable_id for row in rows}))))
        seen = await observables(session, acting, above, Wanted(1))
        parents = {row.id: one for row, one in zip(above, seen, strict=True)}
        for row, one_shown in zip(rows, shown, strict=True):
            if row.observable_id in parents:
                one_shown["case_artifact"] = parents[row.observable_id]
    return shown


async def dashboards(_: AsyncSession, acting: Acting, rows: Sequence[Dashboard], __: Wanted = Wanted()) -> list[dict[str, Any]]:
    return [outputs.dashboard_out(row, acting.caller) for row in rows]


async def templates(_: AsyncSession, __: Acting, rows: Sequence[CaseTemplate], ___: Wanted = Wanted()) -> list[dict[str, Any]]:
    return [outputs.template_out(row) for row in rows]


async def users(session: AsyncSession, acting: Acting, rows: Sequence[User], _: Wanted = Wanted()) -> list[dict[str, Any]]:
    return [outputs.user_out(one) for one in await users_out(session, acting.caller, rows)]


def plainly(shape: Callable[[Any], dict[str, Any]]) -> Show:
    """Lists of what needs no more than its own row."""

    async def show(_: AsyncSession, __: Acting, rows: Sequence[Any], ___: Wanted = Wanted()) -> list[dict[str, Any]]:
        return [shape(row) for row in rows]

    return show


custom_fields = plainly(outputs.customfield_out)
observable_types = plainly(outputs.type_out)
tags = plainly(outputs.tag_out)
organisations = plainly(outputs.organisation_out)
profiles = plainly(outputs.profile_out)
actions = plainly(outputs.action_out)
pages = plainly(outputs.page_out)
