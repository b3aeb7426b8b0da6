"""What alerts and cases have in common, in the classic form (contracts hive-v0 §2.2, §2.5, §3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.acting import Acting
from hive.alerts.models import Alert
from hive.cases.models import Case
from hive.classic import showing
from hive.classic.outputs import case_status, observable_out
from hive.classic.reading import tlp_out
from hive.classic.search import Wanted
from hive.observables.models import Observable
from hive.tables import text_id

MOST = 100
TWINS_MOST = 1000
# The other side's own organisation: ours, and those of cases we received, because the index begins with it.
OWNERS = "ARRAY(SELECT :org UNION SELECT c.org_id FROM case_shares s JOIN cases c ON c.id = s.case_id WHERE s.org_id = :org)"
TWINS = text(
    "SELECT a.id AS mine, o.id AS other, o.parent_id, o.case_id, o.ioc FROM observables a JOIN observables o"
    f" ON o.org_id = ANY({OWNERS}) AND o.value_key = a.value_key AND o.data_type = a.data_type AND o.parent_id <> a.parent_id"
    " WHERE a.id = ANY(:ids) AND NOT a.ignore_similarity AND NOT o.ignore_similarity ORDER BY o.id DESC LIMIT :most"
)
COUNTS = text(
    "SELECT case_id, count(*) AS n, count(*) FILTER (WHERE ioc) AS iocs FROM observables"
    " WHERE case_id = ANY(:ids) GROUP BY case_id"
)


async def twins(session: AsyncSession, acting: Acting, ids: Sequence[int]) -> list[Any]:
    """Observables elsewhere that are the same as one of these, newest first: their id, parent, and which of these."""
    values = {"org": acting.caller.org_id, "ids": list(ids), "most": TWINS_MOST}
    return list(await session.execute(TWINS, values))


async def add_similar(session: AsyncSession, acting: Acting, alert: Alert, shown: dict[str, Any]) -> None:
    """Fills `similarCases` of a shown alert and `seen` of its observables."""
    ids = list(await session.scalars(select(Observable.id).where(Observable.alert_id == alert.id)))
    found = await twins(session, acting, ids)
    same: dict[int, list[Any]] = {}
    for row in found:
        if row.case_id is not None:
            same.setdefault(row.case_id, []).append(row)
    counts = {row.case_id: row for row in await session.execute(COUNTS, {"ids": list(same)})}
    rows = {case.id: case for case in await session.scalars(select(Case).where(Case.id.in_(same)))}
    best = sorted(rows, key=lambda one: (-len(same[one]), -one))[:MOST]
    shown["similarCases"] = [_similar_case(rows[one], same[one], counts[one]) for one in best]
    seen = {text_id(row.mine) for row in found}
    for artifact in shown["artifacts"]:
        artifact["seen"] = artifact["id"] in seen


def _similar_case(case: Case, same: Sequence[Any], counts: Any) -> dict[str, Any]:
    status, resolution = case_status(case)
    out = {
        "_id": text_id(case.id), "id": text_id(case.id), "caseId": case.number, "title": case.title, "severity": case.severity,
        "startDate": case.start_date, "tags": case.tags, "tlp": tlp_out(case.tlp), "status": status,
        "similarIocCount": sum(row.ioc for row in same), "iocCount": counts.iocs, "similarArtifactCount": len(same),
        "artifactCount": counts.n,
    }  # fmt: skip
    optional = {"endDate": case.end_date, "resolutionStatus": resolution}
    return out | {name: value for name, value in optional.items() if value is not None}


async def similar_artifacts(session: AsyncSession, acting: Acting, one: Observable) -> list[dict[str, Any]]:
    """The same thing in other cases and alerts, each with its case or alert."""
    if one.ignore_similarity:
        return []
    ids = [row.other for row in await twins(session, acting, [one.id])]
    rows = list(await session.scalars(select(Observable).where(Observable.id.in_(ids)).order_by(Observable.id.desc())))
    return await showing.observables(session, acting, rows, Wanted(1))


async def linked_cases(session: AsyncSession, acting: Acting, case: Case) -> list[dict[str, Any]]:
    """Cases that share observables with this one: the case with `linkedWith`, those it has in common, and how many."""
    ids = list(await session.scalars(select(Observable.id).where(Observable.case_id == case.id)))
    common: dict[int, list[int]] = {}
    for row in await twins(session, acting, ids):
        if row.case_id is not None:
            common.setdefault(row.case_id, []).append(row.other)
    rows = list(await session.scalars(select(Case).where(Case.id.in_(common)).order_by(Case.id)))
    others = [one for found in common.values() for one in found]
    shared = {row.id: row for row in await session.scalars(select(Observable).where(Observable.id.in_(others)))}
    out = []
    for row, one in zip(rows, await showing.cases(session, acting, rows), strict=True):
        linked = [observable_out(shared[number]) for number in common[row.id] if number in shared]
        out.append({**one, "linkedWith": linked, "linksCount": len(linked)})
    return sorted(out, key=lambda one: -one["linksCount"])
