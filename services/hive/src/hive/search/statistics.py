"""Statistics: aggregations within aggregations, their results merged deeply (hive-v0 §4.6, hive-v1 §4.3).

A tree of aggregations is cut into its measures (count, sum, …), each with the groupings above it. Measures under the same
groupings are one statement; so the number of statements is the number of branches, whatever the number of groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from hive.search.buckets import parse_interval
from hive.search.groups import MAX_GROUPS, Grouping, Measure, Population, Rank, statement
from hive.search.rows import TimeLimit, begun
from waggle.errors import BadRequest
from waggle.query import Dialect, Entity, Search, parse_filter
from waggle.query.ast import Node
from waggle.query.session import clause, run_limited
from waggle.query.statement import Narrowing

MAX_AGGREGATIONS: Final = 100
MAX_DEPTH: Final = 5
MEASURES: Final = ("count", "sum", "avg", "min", "max")
COUNT: Final = Measure("count", "", "count")
COUNTED: Final[dict[str, Any]] = {"_agg": "count"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A measure, the groupings above it and the filters that hold along the way."""

    path: tuple[Grouping, ...]
    filters: tuple[Node, ...]
    measure: Measure


async def run(
    session: AsyncSession,
    entity: Entity,
    query: Node,
    stats: Any,
    *,
    org: int,
    dialect: Dialect,
    narrowing: Narrowing | None = None,
) -> dict[str, Any]:
    """The aggregations' results over the objects that fit. Raises BadRequest, and SearchTooSlow after the time limit."""
    branches = list(_Reader(dialect).branches(listed(stats), (), (), 0))
    if len(branches) > MAX_AGGREGATIONS:
        raise BadRequest(f"at most {MAX_AGGREGATIONS} aggregations at once")
    entity = (await begun(session, Search(entity, org=org), page=False)).entity
    population = Population(entity, org, query, narrowing, dialect.coerces)
    result: dict[str, Any] = {}
    together: dict[tuple[Any, ...], list[Branch]] = {}
    for branch in branches:
        together.setdefault((branch.path, repr(branch.filters)), []).append(branch)
    limit = TimeLimit()
    for same in together.values():
        await limit.set(session)
        wanted = statement(population, same[0].path, same[0].filters, [one.measure for one in same])
        rows = list(await run_limited(session, clause(wanted)))
        if len(rows) > MAX_GROUPS:
            raise BadRequest(f"the aggregation has more than {MAX_GROUPS} groups; narrow it, or ask for the first with _size")
        for row in rows:
            _put(result, same, list(row))
    for path in {branch.path for branch in branches}:
        _cut(result, path)
    return result


def listed(stats: Any) -> list[dict[str, Any]]:
    found = stats if isinstance(stats, list) else [stats]
    if not all(isinstance(one, dict) for one in found):
        raise BadRequest("stats is a list of aggregations")
    return found


class _Reader:
    """From aggregations as clients write them to branches."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def branches(
        self, stats: Sequence[dict[str, Any]], path: tuple[Grouping, ...], filters: tuple[Node, ...], depth: int
    ) -> Iterable[Branch]:
        if depth > MAX_DEPTH:
            raise BadRequest(f"aggregations are nested deeper than {MAX_DEPTH} levels")
        for one in stats:
            kind = one.get("_agg")
            here = (*filters, parse_filter(one["_query"], self._dialect)) if one.get("_query") else filters
            if kind in MEASURES:
                yield Branch(path, here, _measure(kind, one))
                continue
            inner = listed(one.get("_select") or [COUNTED])
            if kind == "category":
                for name, query in _categories(one):
                    below = (*path, Grouping("category", fixed=name))
                    yield from self.branches(inner, below, (*here, parse_filter(query, self._dialect)), depth + 1)
            else:
                yield from self.branches(inner, (*path, _grouping(kind, one, inner, here)), here, depth + 1)


def _measure(kind: str, one: dict[str, Any]) -> Measure:
    field = "" if kind == "count" else _text(one, "_field")
    name = one.get("_name")
    return Measure(kind, field, name if isinstance(name, str) and name else (f"{kind}_{field}" if field else "count"))


def _categories(one: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    found = one.get("_categories")
    if not isinstance(found, dict):
        raise BadRequest("category needs _categories, an object of filters by name")
    yield from found.items()


def _grouping(kind: Any, one: dict[str, Any], inner: Sequence[dict[str, Any]], within: tuple[Node, ...]) -> Grouping:
    if kind in ("field", "top"):
        order = one.get("_order") or ("-count" if kind == "top" else [])
        size = one.get("_size", 10 if kind == "top" else None)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise BadRequest("_size is a number")
        keys = [order] if isinstance(order, str) else order
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise BadRequest("_order is a text or a list of them")
        ranks = tuple(_rank(key, inner) for key in keys or (["-count"] if size is not None else []))
        return Grouping("field", _text(one, "_field"), ranks=ranks, size=size, within=within)
    if kind == "time":
        fields = one.get("_fields", one.get("_field"))
        field = fields[0] if isinstance(fields, list) and fields else fields
        if not isinstance(field, str):
            raise BadRequest("time needs _fields, the name of a date")
        name = one.get("_name")
        label = name if isinstance(name, str) and name else field
        return Grouping("time", field, parse_interval(one.get("_interval"), one.get("_unit")), label)
    raise BadRequest(f"there is no aggregation {str(kind)[:50]}; there are {', '.join(MEASURES)}, field, time, category, top")


def _rank(key: str, inner: Sequence[dict[str, Any]]) -> Rank:
    """`-count` or `_count`, the name of a measure in the group, or anything else: the group's value."""
    name, falling = key.lstrip("+-"), key.startswith("-")
    measures = {one.name: one for given in inner if given.get("_agg") in MEASURES for one in [_measure(given["_agg"], given)]}
    if name in measures:
        return Rank(measures[name], falling)
    return Rank(COUNT if name in ("count", "_count") else None, falling)


def _text(one: dict[str, Any], name: str) -> str:
    value = one.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is the name of a field")
    return value


def _put(result: dict[str, Any], branches: Sequence[Branch], row: list[Any]) -> None:
    at = result
    position = 0
    for grouping in branches[0].path:
        if grouping.fixed is not None:
            at = at.setdefault(grouping.fixed, {})
            continue
        at = at.setdefault(str(row[position]), {})
        position += 1
        if grouping.label is not None:
            at = at.setdefault(grouping.label, {})
    for branch, value in zip(branches, row[position:], strict=True):
        at[branch.measure.name] = int(value) if isinstance(value, float) and value.is_integer() else value


def _cut(result: dict[str, Any], path: Sequence[Grouping]) -> None:
    """Orders and shortens the groups of each level that asks for it."""
    if not path:
        return
    level, below = path[0], path[1:]
    groups = {key: value for key, value in result.items() if isinstance(value, dict)}
    if level.fixed is not None:
        groups = {key: value for key, value in groups.items() if key == level.fixed}
    elif level.ranks:
        names = list(groups)
        for rank in reversed(level.ranks):
            names.sort(key=lambda name, r=rank: _place(groups[name], name, r), reverse=rank.falling)  # type: ignore[misc]
        for name in groups:
            del result[name]
        groups = {name: groups[name] for name in (names if level.size is None else names[: level.size])}
        result.update(groups)
    for group in groups.values():
        inner = group.get(level.label) if level.label is not None else group
        if isinstance(inner, dict):
            _cut(inner, below)


def _place(group: dict[str, Any], name: str, rank: Rank) -> tuple[int, Any]:
    value = group.get(rank.measure.name) if rank.measure else None
    return (0, value) if isinstance(value, int | float) else (1, name)


def merge(result: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds results, groups of the same name becoming one."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            merge(result[name], value)
        else:
            result[name] = value
