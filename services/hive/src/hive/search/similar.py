"""The steps that compare a case or an alert with the others: `similarCases`, `similarAlerts` and their counts (hive-v1 §4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.cases.models import Case
from hive.identity.caller import Caller
from hive.observables.service import Parent
from hive.observables.similarity import Sharing, sharing
from hive.search.outputs import show
from waggle.errors import BadRequest
from waggle.query import Hop
from waggle.query.ast import EVERYTHING

# The short forms of TheHive 5 are the same here.
STEPS: Final[dict[str, tuple[Literal["case", "alert"], bool]]] = {
    "similarCases": ("case", False), "similarCasesLight": ("case", False), "similarCaseCount": ("case", True),
    "similarCaseLightCount": ("case", True), "similarAlerts": ("alert", False), "similarAlertsLight": ("alert", False),
    "similarAlertCount": ("alert", True), "similarAlertLightCount": ("alert", True),
}  # fmt: skip
SIZES = {
    kind: text(
        f"SELECT {kind}_id AS id, count(*) AS n, count(*) FILTER (WHERE ioc) AS iocs FROM observables"
        f" WHERE {kind}_id = ANY(:ids) GROUP BY {kind}_id"
    )
    for kind in ("case", "alert")
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is looked for: cases or alerts, all of them, a page, or how many there are."""

    kind: Literal["case", "alert"]
    counts: bool
    start: int = 0
    end: int | None = None
    with_total: bool = False


def taken_off(hops: list[Hop], *, counts: bool) -> Likeness | None:
    """The last step, where it is one of these; it is taken off. Raises BadRequest for what cannot go with it."""
    if len(hops) < 2 or hops[-1].name not in STEPS:
        return None
    last = hops.pop()
    kind, counting = STEPS[last.name]
    if last.query != EVERYTHING or last.sort or hops[-1].page:
        raise BadRequest(f"{last.name} is followed by a page or a count, and no page comes before it")
    if last.page is None:
        return Likeness(kind, counting or counts)
    return Likeness(kind, counting or counts, last.page.start, last.page.end, "total" in last.page.extra_data)


async def found(
    session: AsyncSession, caller: Caller, kind: str, rows: Sequence[Any], wanted: Likeness
) -> tuple[list[dict[str, Any]] | int, int | None]:
    """The others, the most recent first, and how many there are where that was asked for."""
    like: list[Sharing] = []
    if rows:
        one = rows[0]
        like = await sharing(session, caller, Parent("case" if kind == "case" else "alert", one.id, one.org_id), wanted.kind)
    model: Any = Case if wanted.kind == "case" else Alert
    ids = [one.parent_id for one in like]
    seen = {row.id: row for row in await session.scalars(select(model).where(model.id.in_(ids)))} if ids else {}
    like = sorted((one for one in like if one.parent_id in seen), key=lambda one: -one.parent_id)
    if wanted.counts:
        return len(like), None
    total, like = len(like), like[wanted.start : wanted.end]
    shown = await show(session, caller, wanted.kind, [seen[one.parent_id] for one in like])
    sizes = {row.id: row for row in await session.execute(SIZES[wanted.kind], {"ids": [one.parent_id for one in like]})}
    answer = [
        {
            wanted.kind: other, "similarObservableCount": len(one.observables), "observableCount": sizes[one.parent_id].n,
            "similarIocCount": one.iocs, "iocCount": sizes[one.parent_id].iocs, "observableTypes": dict(one.types),
        }
        for one, other in zip(like, shown, strict=True)
    ]  # fmt: skip
    return answer, total if wanted.with_total else None
