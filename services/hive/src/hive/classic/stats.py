"""Statistics of the v0 API (contracts hive-v0 §4.6): aggregations within aggregations, their results merged deeply.

A tree of aggregations is cut into its measures (count, sum, …), each with the groupings above it. Measures under the same
groupings are one statement; so the number of statements is the number of branches, whatever the number of groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from hive.classic.buckets import bucket, parse_interval
from hive.identity.caller import Caller
from hive.search.rows import TIMEOUT
from waggle.errors import BadRequest
from waggle.query import HIVE_V0, Entity, Field, parse_filter
from waggle.query.ast import Node
from waggle.query.compiler import Compiler, Parameters
from waggle.query.session import clause, run_limited
from waggle.query.statement import Narrowing, Statement

MAX_GROUPS: Final = 10_000
MAX_AGGREGATIONS: Final = 100
MAX_DEPTH: Final = 5
MEASURES: Final = ("count", "sum", "avg", "min", "max")
COUNT: Final[dict[str, Any]] = {"_agg": "count"}


@dataclass(frozen=True, slots=True)
class Grouping:
    """One level of groups. `label`: the key under which a time bucket shows its parts; `order` and `size` cut the level."""

    kind: str
    field: str = ""
    interval: tuple[int, str] | None = None
    label: str | None = None
    order: tuple[str, ...] = ()
    size: int | None = None
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    kind: str
    field: str
    name: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A measure, the groupings above it and the filters that hold along the way."""

    path: tuple[Grouping, ...]
    filters: tuple[Node, ...]
    measure: Measure


async def run(
    session: AsyncSession, caller: Caller, entity: Entity, query: Node, stats: Any, *, narrowing: Narrowing | None = None
) -> dict[str, Any]:
    """The aggregations' results over the objects that fit the query. Raises BadRequest."""
    branches = list(_branches(_listed(stats), (), (), 0))
    if len(branches) > MAX_AGGREGATIONS:
        raise BadRequest(f"at most {MAX_AGGREGATIONS} aggregations at once")
    result: dict[str, Any] = {}
    together: dict[tuple[Any, ...], list[Branch]] = {}
    for branch in branches:
        together.setdefault((branch.path, repr(branch.filters)), []).append(branch)
    await session.execute(TIMEOUT)
    for same in together.values():
        statement = _statement(entity, caller, query, same, narrowing)
        for row in await run_limited(session, clause(statement)):
            _put(result, same, list(row))
    _cut(result, {branch.path for branch in branches})
    return result


def _listed(stats: Any) -> list[dict[str, Any]]:
    found = stats if isinstance(stats, list) else [stats]
    if not all(isinstance(one, dict) for one in found):
        raise BadRequest("stats is a list of aggregations")
    return found


def _branches(
    stats: Sequence[dict[str, Any]], path: tuple[Grouping, ...], filters: tuple[Node, ...], depth: int
) -> Iterable[Branch]:
    if depth > MAX_DEPTH:
        raise BadRequest(f"aggregations are nested deeper than {MAX_DEPTH} levels")
    for one in stats:
        kind = one.get("_agg")
        here = (*filters, parse_filter(one["_query"], HIVE_V0)) if one.get("_query") else filters
        if kind in MEASURES:
            yield Branch(path, here, _measure(kind, one))
            continue
        inner = _listed(one.get("_select") or [COUNT])
        if kind == "category":
            for name, query in _categories(one):
                below = (*path, Grouping("category", fixed=name))
                yield from _branches(inner, below, (*here, parse_filter(query, HIVE_V0)), depth + 1)
        else:
            yield from _branches(inner, (*path, _grouping(kind, one)), here, depth + 1)


def _measure(kind: str, one: dict[str, Any]) -> Measure:
    field = "" if kind == "count" else _text(one, "_field")
    name = one.get("_name")
    return Measure(kind, field, name if isinstance(name, str) and name else (f"{kind}_{field}" if field else "count"))


def _categories(one: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    found = one.get("_categories")
    if not isinstance(found, dict):
        raise BadRequest("category needs _categories, an object of filters by name")
    yield from found.items()


def _grouping(kind: Any, one: dict[str, Any]) -> Grouping:
    if kind in ("field", "top"):
        order = one.get("_order") or ("-count" if kind == "top" else [])
        size = one.get("_size", 10 if kind == "top" else None)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
            raise BadRequest("_size is a number")
        listed = [order] if isinstance(order, str) else order
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            raise BadRequest("_order is a text or a list of them")
        return Grouping("field", _text(one, "_field"), order=tuple(listed), size=size)
    if kind == "time":
        fields = one.get("_fields", one.get("_field"))
        field = fields[0] if isinstance(fields, list) and fields else fields
        if not isinstance(field, str):
            raise BadRequest("time needs _fields, the name of a date")
        name = one.get("_name")
        label = name if isinstance(name, str) and name else field
        return Grouping("time", field, parse_interval(one.get("_interval"), one.get("_unit")), label)
    raise BadRequest(f"there is no aggregation {str(kind)[:50]}; there are {', '.join(MEASURES)}, field, time, category, top")


def _text(one: dict[str, Any], name: str) -> str:
    value = one.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is the name of a field")
    return value


def _statement(entity: Entity, caller: Caller, base: Node, branches: Sequence[Branch], narrowing: Narrowing | None) -> Statement:
    compiler = Compiler(entity, "t", Parameters(), caller.org_id, coerces=True)
    first = branches[0]
    conditions = [*compiler.scope(), compiler.condition(base), *(compiler.condition(one) for one in first.filters)]
    if narrowing is not None:
        conditions.append(narrowing(compiler))
    joins: list[str] = []
    keys = [_key(compiler, one, joins, conditions) for one in first.path if one.fixed is None]
    counted = f"count(DISTINCT t.{entity.id})" if joins else "count(*)"
    measures = [_measured(compiler, branch.measure) if branch.measure.field else counted for branch in branches]
    source = " ".join([f"{entity.table} t", *joins])
    groups = f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))} LIMIT {MAX_GROUPS}" if keys else ""
    sql = f"SELECT {', '.join([*keys, *measures])} FROM {source} WHERE {' AND '.join(conditions)}{groups}"
    return Statement(sql, tuple(compiler.parameters.values), tuple(compiler.parameters.types))


def _key(compiler: Compiler, grouping: Grouping, joins: list[str], conditions: list[str]) -> str:
    found = compiler.find(grouping.field)
    value = _value(compiler, found, joins)
    conditions.append(f"{value} IS NOT NULL")
    if grouping.interval is None:
        if found.kind == "id":
            return f"('~' || {value})"
        return f"CAST({value} AS text)" if found.value_kind != "text" else value
    if found.kind not in ("integer", "float"):
        raise BadRequest(f"{grouping.field} is not a date")
    return bucket(value, grouping.interval)


def _value(compiler: Compiler, found: Field, joins: list[str]) -> str:
    """One value per row; of a field with several values, rows are multiplied by them."""
    alias = f"g{len(joins)}"
    if found.side is not None:
        rows = [f"{alias}.{found.side.owner} = t.{compiler.entity.id}", *compiler.side_rows(found.side, alias)]
        joins.append(f"JOIN {found.side.table} {alias} ON {' AND '.join(rows)}")
        return f"{alias}.{found.side.value}"
    if found.kind == "list":
        joins.append(f"CROSS JOIN LATERAL unnest({compiler.sql(found)}) AS {alias}(value)")
        return f"{alias}.value"
    if found.kind == "scale":
        numbers = "".join(
            f" WHEN {compiler.parameters.bind(word, 'text')} THEN {number}"
            for number, words in found.words.items()
            for word in words
        )
        return f"(CASE {compiler.sql(found)}{numbers} END)"
    return compiler.sql(found)


def _measured(compiler: Compiler, measure: Measure) -> str:
    found = compiler.find(measure.field)
    if found.kind not in ("integer", "float", "scale"):
        raise BadRequest(f"{measure.field} is not a number")
    if found.side is not None:
        row = compiler.parameters.alias()
        rows = [f"{row}.{found.side.owner} = t.{compiler.entity.id}", *compiler.side_rows(found.side, row)]
        value = f"(SELECT {measure.kind}({row}.{found.side.value}) FROM {found.side.table} {row} WHERE {' AND '.join(rows)})"
    else:
        value = _value(compiler, found, [])
    return f"CAST({measure.kind}({value}) AS double precision)"


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


def _cut(result: dict[str, Any], paths: Iterable[tuple[Grouping, ...]]) -> None:
    """Orders and shortens the outermost groups of each `field` aggregation that asks for it."""
    for grouping in {path[0] for path in paths if path and path[0].kind == "field"}:
        if not grouping.order and grouping.size is None:
            continue
        groups = {key: value for key, value in result.items() if isinstance(value, dict)}
        names = list(groups)
        for order in reversed(grouping.order or ("-count",)):
            key, falling = order.lstrip("+-"), order.startswith("-")
            measure = key.removeprefix("_") if key in ("_count", "count") else key
            names.sort(key=lambda name, m=measure: _rank(groups[name], name, m), reverse=falling)  # type: ignore[misc]
        kept = names if grouping.size is None else names[: grouping.size]
        for name in groups:
            del result[name]
        result.update((name, groups[name]) for name in kept)


def _rank(group: dict[str, Any], name: str, measure: str) -> tuple[int, Any]:
    value = group.get(measure)
    return (0, value) if isinstance(value, int | float) else (1, name)


def merge(result: dict[str, Any], more: dict[str, Any]) -> None:
    """Adds results, groups of the same name becoming one."""
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            merge(result[name], value)
        else:
            result[name] = value
