"""The statement of one set of measures under the same groupings: its groups, the best of them where only so many are wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hive.search.buckets import bucket
from waggle.errors import BadRequest
from waggle.query import Entity, Field
from waggle.query.ast import Node
from waggle.query.compiler import Compiler, Parameters
from waggle.query.statement import Narrowing, Statement

MAX_GROUPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Measure:
    """`field` is empty for a count. `name` is the key of the result."""

    kind: str
    field: str
    name: str


@dataclass(frozen=True, slots=True)
class Rank:
    """By what groups are ordered: a measure, or (None) the value they are grouped by."""

    measure: Measure | None
    falling: bool


@dataclass(frozen=True, slots=True)
class Grouping:
    """One level of groups. `label`: the key under which a time bucket shows its parts; `ranks` and `size` cut the level.

    `fixed`: a category's name instead of a field. `within`: the filters that hold where the level begins.
    """

    kind: str
    field: str = ""
    interval: tuple[int, str] | None = None
    label: str | None = None
    ranks: tuple[Rank, ...] = ()
    size: int | None = None
    fixed: str | None = None
    within: tuple[Node, ...] = dataclasses.field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Population:
    """The objects that are counted."""

    entity: Entity
    org: int
    query: Node
    narrowing: Narrowing | None
    coerces: bool


def statement(of: Population, path: Sequence[Grouping], filters: Sequence[Node], measures: Sequence[Measure]) -> Statement:
    """Rows of the groups' values, then the measures. One group more than allowed is read, to be noticed. Raises BadRequest."""
    parameters = Parameters()
    levels = [one for one in path if one.fixed is None]
    rows = _Rows(of, parameters, filters)
    keys = [rows.key(one) for one in levels]
    if levels and levels[0].size is not None and len(levels) > 1:
        rows.conditions.append(f"{keys[0]} IN ({_best(of, parameters, levels[0])})")
    shown = [rows.measured(one) for one in measures]
    sql = f"SELECT {', '.join([*keys, *shown])} FROM {rows.source()}"
    if not keys:
        return Statement(sql, tuple(parameters.values), tuple(parameters.types))
    sql += f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}"
    if len(levels) == 1 and levels[0].size is not None:
        sql += _first(rows, levels[0], keys[0])
    else:
        sql += f" ORDER BY {', '.join(str(n + 1) for n in range(len(keys)))} LIMIT {MAX_GROUPS + 1}"
    return Statement(sql, tuple(parameters.values), tuple(parameters.types))


def _best(of: Population, parameters: Parameters, level: Grouping) -> str:
    """The values of the groups that come first, whatever is measured below them."""
    rows = _Rows(of, parameters, level.within)
    key = rows.key(level)
    return f"SELECT {key} FROM {rows.source()} GROUP BY 1{_first(rows, level, key)}"


def _first(rows: _Rows, level: Grouping, key: str) -> str:
    order = []
    for rank in level.ranks:
        by = rows.measured(rank.measure) if rank.measure else key
        order.append(f"{by} {'DESC' if rank.falling else 'ASC'} NULLS LAST")
    assert level.size is not None
    return f" ORDER BY {', '.join([*order, key])} LIMIT {min(level.size, MAX_GROUPS + 1)}"


class _Rows:
    """FROM and WHERE over the population, growing with the fields that are grouped by."""

    def __init__(self, of: Population, parameters: Parameters, filters: Sequence[Node]) -> None:
        self._of = of
        self.alias = parameters.alias()
        self._compiler = Compiler(of.entity, self.alias, parameters, of.org, of.coerces)
        self._joins: list[str] = []
        self.conditions = [*self._compiler.scope(), self._compiler.condition(of.query)]
        self.conditions += [self._compiler.condition(one) for one in filters]
        if of.narrowing is not None:
            self.conditions.append(of.narrowing(self._compiler))

    def source(self) -> str:
        return f"{' '.join([f'{self._of.entity.table} {self.alias}', *self._joins])} WHERE {' AND '.join(self.conditions)}"

    def key(self, level: Grouping) -> str:
        """The value of a group; objects without one are in no group."""
        found = self._compiler.find(level.field)
        value = self._value(found)
        self.conditions.append(f"{value} IS NOT NULL")
        if level.interval is None:
            if found.kind == "id":
                return f"('~' || {value})"
            return f"CAST({value} AS text)" if found.value_kind != "text" else value
        if found.kind not in ("integer", "float"):
            raise BadRequest(f"{level.field} is not a date")
        return bucket(value, level.interval)

    def measured(self, measure: Measure) -> str:
        if not measure.field:
            return f"count(DISTINCT {self.alias}.{self._of.entity.id})" if self._joins else "count(*)"
        found = self._compiler.find(measure.field)
        if found.kind not in ("integer", "float", "scale"):
            raise BadRequest(f"{measure.field} is not a number")
        value = self._inner(measure.kind, found) if found.side is not None else self._value(found)
        return f"CAST({measure.kind}({value}) AS double precision)"

    def _inner(self, kind: str, found: Field) -> str:
        """Of the several values one object may have."""
        assert found.side is not None
        row = self._compiler.parameters.alias()
        rows = [f"{row}.{found.side.owner} = {self.alias}.{self._of.entity.id}", *self._compiler.side_rows(found.side, row)]
        return f"(SELECT {kind}({row}.{found.side.value}) FROM {found.side.table} {row} WHERE {' AND '.join(rows)})"

    def _value(self, found: Field) -> str:
        """One value per row; of a field with several values, rows are multiplied by them."""
        compiler, alias = self._compiler, self._compiler.parameters.alias()
        if found.side is not None:
            rows = [f"{alias}.{found.side.owner} = {self.alias}.{self._of.entity.id}", *compiler.side_rows(found.side, alias)]
            self._joins.append(f"JOIN {found.side.table} {alias} ON {' AND '.join(rows)}")
            return f"{alias}.{found.side.value}"
        if found.kind == "list":
            self._joins.append(f"CROSS JOIN LATERAL unnest({compiler.sql(found)}) AS {alias}(value)")
            return f"{alias}.value"
        if found.kind == "scale":
            numbers = "".join(
                f" WHEN {compiler.parameters.bind(word, 'text')} THEN {number}"
                for number, words in found.words.items()
                for word in words
            )
            return f"(CASE {compiler.sql(found)}{numbers} END)"
        return compiler.sql(found)
