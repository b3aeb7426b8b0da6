"""Whole statements of a list: one page, or how many there are.

Rule 1 of the data model: where the filter demands a tag or a custom field's value, the page is driven from the dated rows that
hold it. A tag that stopped occurring a year ago then costs nothing, and a common one is read in order.

Rule 2: where it demands words or a pattern that an unordered index finds, few candidates are fetched and sorted, and among many
the page is read in order and each object probed. The database cannot know beforehand which it will be, so both ways stand in the
statement and the number of candidates opens one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from waggle.query.ast import EVERYTHING, And, Equal, Everything, Node, SortKey, Words
from waggle.query.compiler import Compiler, Parameters
from waggle.query.register import Entity, Field, Side
from waggle.query.values import NoMatch

FEW = 2000
TABLE = "t"
ROW = "d"

Narrowing = Callable[[Compiler], str]
"""A condition of the service's own (only observables of this case): it gets the compiler for its parameters and alias."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`$1`… in `sql` stand for `args`, whose SQL types are `types`."""

    sql: str
    args: tuple[Any, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked of one kind of objects. `org` None: no condition on the organisation (then row-level security is alone).

    `coerces`: the language lets numbers come as texts. `oldest_first`: how ties are broken; the v1 language wants the order
    in which the objects were made.
    """

    entity: Entity
    query: Node = EVERYTHING
    org: int | str | None = None
    sort: Sequence[SortKey] = ()
    offset: int = 0
    limit: int | None = None
    coerces: bool = False
    oldest_first: bool = False
    ignores_unknown_sort: bool = False
    narrowing: Narrowing | None = None


def page_sql(search: Search, columns: str) -> Statement:
    """The page's rows. `columns` is our own text with `{t}` for the table. Raises BadRequest."""
    compiler, source, conditions, driven = _source(search)
    order = _order(search, compiler, driven)
    if search.limit is not None:
        order += f" LIMIT {compiler.parameters.bind(search.limit, 'bigint')}"
    if search.offset:
        order += f" OFFSET {compiler.parameters.bind(search.offset, 'bigint')}"
    chosen = f"SELECT {columns.replace('{t}', TABLE)} FROM {source}"
    page = f"{chosen} WHERE {' AND '.join(conditions) or 'true'}"
    candidates = None if driven or search.limit is None else _candidates(search, compiler)
    if candidates is None:
        return _statement(f"{page} ORDER BY {order}", compiler)
    key, rows = candidates
    few = f"(SELECT count(*) FROM hits) <= {FEW}"
    walk = f"{chosen} WHERE {' AND '.join(_source(search, compiler.parameters, probing=True)[2])}"
    return _statement(
        f"WITH hits(key) AS MATERIALIZED ({rows} LIMIT {FEW + 1})"
        f" ({page} AND {few} AND {key} = ANY(ARRAY(SELECT key FROM hits)) ORDER BY {order})"
        f" UNION ALL ({walk} AND NOT {few} ORDER BY {order})",
        compiler,
    )


def _candidates(search: Search, compiler: Compiler) -> tuple[str, str] | None:
    found = (compiler.candidates(node) for node in _demanded(search.query))
    return next((one for one in found if one is not None), None)


def count_sql(search: Search) -> Statement:
    """How many objects match, before the page is cut."""
    alone = _count_of_rows(search)
    if alone is not None:
        return alone
    compiler, source, conditions, _ = _source(search)
    sql = f"SELECT count(*) FROM {source} WHERE {' AND '.join(conditions) or 'true'}"
    return _statement(sql, compiler)


def _count_of_rows(search: Search) -> Statement | None:
    """The count without the objects themselves, where what is asked is one value in rows that can be counted alone."""
    if search.narrowing is not None:
        return None
    compiler = Compiler(search.entity, TABLE, Parameters(), search.org, search.coerces)
    driver, rest = _driver(search)
    side = compiler.find(driver.field).side if driver else None
    if driver is not None and side is not None and side.alone and isinstance(rest, Everything):
        field = compiler.find(driver.field)
        conditions = [*compiler.side_rows(side, ROW), compiler.test(driver.field, field, f"{ROW}.{side.value}", driver)]
        counted = f"DISTINCT {ROW}.{side.owner}" if side.row else "*"
        return _statement(f"SELECT count({counted}) FROM {side.table} {ROW} WHERE {' AND '.join(conditions)}", compiler)
    match = search.entity.match
    if match is not None and match.alone and isinstance(search.query, Words) and search.query.field is None:
        found = compiler.candidates(search.query) if len(search.query.phrases) == 1 else None
        return _statement(f"SELECT count(*) FROM ({found[1]}) found", compiler) if found else None
    return None


def where_sql(search: Search, *, alias: str = TABLE, first: int = 1) -> Statement:
    """The filter alone, for a statement of the service's own whose parameters before `first` are taken."""
    compiler = Compiler(search.entity, alias, Parameters(first), search.org, search.coerces)
    conditions = [*compiler.scope(), *_narrowed(search, compiler), compiler.condition(search.query)]
    return _statement(" AND ".join(conditions), compiler)


def _statement(sql: str, compiler: Compiler) -> Statement:
    return Statement(sql, tuple(compiler.parameters.values), tuple(compiler.parameters.types))


def _source(
    search: Search, parameters: Parameters | None = None, *, probing: bool = False
) -> tuple[Compiler, str, list[str], Side | None]:
    """FROM and WHERE; the side table that drives them, if one does."""
    entity = search.entity
    compiler = Compiler(entity, TABLE, parameters or Parameters(), search.org, search.coerces, probing)
    driver, rest = _driver(search)
    source, conditions, side = f"{entity.table} {TABLE}", compiler.scope(), None
    if driver is not None:
        field = compiler.find(driver.field)
        side = field.side
        assert side is not None
        source = f"{side.table} {ROW} JOIN {entity.table} {TABLE} ON {TABLE}.{entity.id} = {ROW}.{side.owner}"
        conditions += _driving(compiler, field, side, driver)
    conditions += _narrowed(search, compiler)
    if not isinstance(rest, Everything):
        conditions.append(compiler.condition(rest))
    return compiler, source, conditions, side


def _narrowed(search: Search, compiler: Compiler) -> list[str]:
    return [search.narrowing(compiler)] if search.narrowing else []


def _driver(search: Search) -> tuple[Equal | None, Node]:
    """The first equality that must hold on a field with dated rows, and what is left of the filter."""
    parts = _demanded(search.query)
    for position, part in enumerate(parts):
        if not isinstance(part, Equal) or part.value is None or part.field in search.entity.ignored:
            continue
        field = search.entity.find(part.field)
        if field is None or field.side is None or field.side.date is None or not _possible(search, field, part):
            continue
        rest = parts[:position] + parts[position + 1 :]
        return part, And(tuple(rest)) if rest else Everything()
    return None, search.query


def _possible(search: Search, field: Field, part: Equal) -> bool:
    """Whether any row can have the value: else the filter as a whole says what becomes of it."""
    try:
        Compiler(search.entity, TABLE, Parameters(), None, search.coerces).test(part.field, field, "v", part)
    except NoMatch:
        return False
    return True


def _demanded(node: Node) -> list[Node]:
    """The parts that must all hold."""
    if isinstance(node, And):
        return [inner for part in node.parts for inner in _demanded(part)]
    return [node]


def _driving(compiler: Compiler, field: Field, side: Side, driver: Equal) -> list[str]:
    conditions = [*compiler.side_rows(side, ROW), compiler.test(driver.field, field, f"{ROW}.{side.value}", driver)]
    if side.row is None:
        return conditions
    # An object that holds the value twice is shown once: by its first row.
    twin = compiler.parameters.alias()
    same = [f"{twin}.{side.owner} = {ROW}.{side.owner}", f"{twin}.{side.row} < {ROW}.{side.row}"]
    same += [*compiler.side_rows(side, twin), compiler.test(driver.field, field, f"{twin}.{side.value}", driver)]
    return [*conditions, f"NOT EXISTS (SELECT FROM {side.table} {twin} WHERE {' AND '.join(same)})"]


def _order(search: Search, compiler: Compiler, driven: Side | None) -> str:
    """The sort keys and the id, in the driving table's columns where it has them, so that its index gives the order."""
    entity = search.entity
    own_id = f"{ROW}.{driven.owner}" if driven else f"{TABLE}.{entity.id}"
    own_date = f"{ROW}.{driven.date}" if driven else f"{TABLE}.{entity.date}"
    keys = [key for key in search.sort if not (search.ignores_unknown_sort and entity.find(key.field) is None)]
    if not keys:
        newest = [f"{own_date} DESC"] if entity.date else []
        return ", ".join([*newest, f"{own_id} DESC"])
    parts = []
    for key in keys:
        found = compiler.find(key.field)
        if entity.date and found.sql == f"{{t}}.{entity.date}":
            parts.append(f"{own_date} {'DESC' if key.descending else 'ASC'}")  # never null: no NULLS LAST, or no index fits
        else:
            parts.append(compiler.order(key))
    last = "ASC" if search.oldest_first or not keys[-1].descending else "DESC"
    return ", ".join([*parts, f"{own_id} {last}"])
