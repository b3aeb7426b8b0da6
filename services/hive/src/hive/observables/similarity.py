"""What alerts and cases have in common: observables of the same type and value, unless one of the two is set to be ignored.

The range of one value is one range of the index `observables_value`, the newest alerts and cases first; of a very common value
only the newest `PER_VALUE` are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.observables.service import Parent

PER_VALUE = 200
AT_MOST = 20_000

# Own observables by the index; those of received cases through the rows that share them.
SAME = """
SELECT o.id FROM observables o WHERE o.org_id = :org AND o.value_key = :key AND o.data_type = :type AND o.parent_id <> :parent
  AND NOT o.ignore_similarity
UNION ALL
SELECT o.id FROM observable_shares s JOIN observables o ON o.id = s.entity_id
WHERE s.org_id = :org AND o.org_id <> :org AND o.value_key = :key AND o.data_type = :type AND o.parent_id <> :parent
  AND NOT o.ignore_similarity
ORDER BY id DESC LIMIT :limit"""

SHARING = """
WITH mine AS MATERIALIZED (
  SELECT id, value_key, data_type FROM observables WHERE parent_id = :parent AND org_id = :owner AND NOT ignore_similarity
  ORDER BY id LIMIT 5000)
SELECT mine.id AS mine, mine.data_type, o.parent_id, o.ioc FROM mine CROSS JOIN LATERAL (
  SELECT o.parent_id, o.ioc FROM observables o
  WHERE o.org_id = :org AND o.value_key = mine.value_key AND o.data_type = mine.data_type AND o.parent_id <> :parent
    AND NOT o.ignore_similarity AND (CASE WHEN :kind = 'case' THEN o.case_id ELSE o.alert_id END) IS NOT NULL
  ORDER BY o.parent_id DESC LIMIT :per_value) o
LIMIT :at_most"""


@dataclass
class Sharing:
    """Another alert or case: the ids of the observables asked about that it has, too; how many are IOCs there; their types."""

    parent_id: int
    observables: list[int] = field(default_factory=list)
    iocs: int = 0
    types: Counter[str] = field(default_factory=Counter)


async def similar(session: AsyncSession, caller: Caller, observable: Observable) -> list[Observable]:
    """The observables of other alerts and cases that are the same thing, newest first."""
    if observable.ignore_similarity:
        return []
    wanted = {
        "org": caller.org_id, "key": observable.value_key, "type": observable.data_type, "parent": observable.parent_id,
        "limit": PER_VALUE,
    }  # fmt: skip
    ids = [row.id for row in await session.execute(text(SAME), wanted)]
    rows = await session.scalars(select(Observable).where(Observable.id.in_(ids)).order_by(Observable.id.desc()))
    return list(rows)


async def in_common(session: AsyncSession, first: Parent, second: Parent) -> Sequence[Observable]:
    """The observables of the first that the second has, too, in the order they were made."""
    other = aliased(Observable)
    twin = exists().where(
        other.org_id == second.org_id, other.value_key == Observable.value_key, other.parent_id == second.id,
        other.data_type == Observable.data_type, ~other.ignore_similarity,
    )  # fmt: skip
    mine = Observable.alert_id == first.id if first.kind == "alert" else Observable.case_id == first.id
    statement = select(Observable).where(mine, ~Observable.ignore_similarity, twin).order_by(Observable.id)
    return list(await session.scalars(statement))


async def sharing(session: AsyncSession, caller: Caller, parent: Parent, kind: Literal["alert", "case"]) -> list[Sharing]:
    """The organisation's other alerts, or cases, with observables in common; those with the most in common first."""
    wanted: dict[str, Any] = {
        "parent": parent.id, "owner": parent.org_id, "org": caller.org_id, "kind": kind, "per_value": PER_VALUE,
        "at_most": AT_MOST,
    }  # fmt: skip
    found: dict[int, Sharing] = {}
    for row in await session.execute(text(SHARING), wanted):
        one = found.setdefault(row.parent_id, Sharing(row.parent_id))
        one.observables.append(row.mine)
        one.iocs += row.ioc
        one.types[row.data_type] += 1
    return sorted(found.values(), key=lambda one: (-len(one.observables), -one.parent_id))
