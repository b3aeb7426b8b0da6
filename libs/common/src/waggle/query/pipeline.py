"""The steps of a v1 query: `filter`, `sort`, `page` and `count` are read here; sources and relations belong to the service."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from waggle.errors import BadRequest
from waggle.query.ast import EVERYTHING, And, Everything, Node, SortKey
from waggle.query.dialect import HIVE_V1, Dialect
from waggle.query.parse import parse_filter
from waggle.query.sort import parse_sort

MAX_STEPS: Final = 50
MAX_OFFSET: Final = 2**31
COUNTS: Final = ("count", "limitedCount")


@dataclass(frozen=True, slots=True)
class Page:
    """`start` inclusive, `end` exclusive. `extra_data` names what is shown beside each object."""

    start: int
    end: int
    extra_data: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """A source (`listAlert`) or a step to related objects (`observables`), and what narrows and orders the objects there.

    `paging`: what the page step said beside its bounds.
    """

    name: str
    given: dict[str, Any]
    query: Node = EVERYTHING
    sort: tuple[SortKey, ...] = ()
    page: Page | None = None
    paging: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`counts`: the answer is the number of objects and not the objects."""

    hops: tuple[Hop, ...]
    counts: bool = False


def parse_pipeline(steps: Any, dialect: Dialect = HIVE_V1, *, now: int | None = None) -> Pipeline:
    """The steps in order. Which names a service knows, and what follows on what, it checks itself. Raises BadRequest."""
    if not isinstance(steps, list) or not steps:
        raise BadRequest("query is a list of steps, the first of them a source such as listAlert")
    if len(steps) > MAX_STEPS:
        raise BadRequest(f"a query has at most {MAX_STEPS} steps")
    hops: list[Hop] = []
    counts = False
    for step in steps:
        name, given = _named(step)
        if counts:
            raise BadRequest(f"nothing can follow a count, {name} does")
        if name in COUNTS:
            counts = True
        elif name not in ("filter", "sort", "page"):
            hops.append(Hop(name, given))
            continue
        elif not hops:
            raise BadRequest(f"a query begins with a source such as listAlert, not with {name}")
        if not hops:
            raise BadRequest("there is nothing to count: a query begins with a source such as listAlert")
        hops[-1] = _narrowed(hops[-1], name, given, dialect, now)
    return Pipeline(tuple(hops), counts)


def _named(step: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(step, dict) or not isinstance(step.get("_name"), str):
        raise BadRequest("a step is an object with _name")
    return step["_name"], {key: value for key, value in step.items() if key != "_name"}


def _narrowed(hop: Hop, name: str, given: dict[str, Any], dialect: Dialect, now: int | None) -> Hop:
    if name == "filter":
        if hop.page is not None:
            raise BadRequest("a filter comes before the page")
        more = parse_filter(given, dialect, now=now)
        query = more if isinstance(hop.query, Everything) else And((hop.query, more))
        return replace(hop, query=query)
    if name == "sort":
        return replace(hop, sort=parse_sort(given.get("_fields")))
    if name == "page":
        return replace(hop, page=_page(given), paging=given)
    return hop


def _page(given: dict[str, Any]) -> Page:
    start, end = given.get("from", 0), given.get("to")
    for value in (start, end):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_OFFSET:
            raise BadRequest("page needs from and to, whole numbers that are not negative")
    extra = given.get("extraData") or []
    if not isinstance(extra, list) or not all(isinstance(name, str) for name in extra):
        raise BadRequest("extraData is a list of names")
    return Page(start, max(start, int(end or 0)), tuple(extra))
