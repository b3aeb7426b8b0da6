"""From a filter as clients write it to the tree. Raises BadRequest that says what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from waggle.errors import BadRequest
from waggle.ids import now_ms
from waggle.query import lucene
from waggle.query.ast import (
    Affix,
    And,
    Equal,
    Everything,
    Has,
    Identified,
    Kind,
    Node,
    Not,
    OneOf,
    Or,
    Order,
    Ordered,
    Pattern,
    Related,
    Words,
)
from waggle.query.dates import relative_date
from waggle.query.dialect import Dialect

MAX_DEPTH: Final = 30
MAX_NODES: Final = 1000
MAX_VALUES: Final = 10_000
ORDERS: Final[Mapping[str, Order]] = {"_gt": ">", "_gte": ">=", "_lt": "<", "_lte": "<="}
LOGIC: Final = ("_and", "_or", "_not", "_any")


def parse_filter(expression: Any, dialect: Dialect, *, now: int | None = None) -> Node:
    """The tree of an expression; `None` and `{}` are everything. `now` (ms) is what relative dates count from."""
    return _Parser(dialect, now_ms() if now is None else now).expression(expression, 0)


@dataclass(slots=True)
class _Parser:
    dialect: Dialect
    now: int
    nodes: int = field(default=0)

    def expression(self, given: Any, depth: int) -> Node:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise BadRequest(f"the filter is too large: at most {MAX_DEPTH} levels and {MAX_NODES} expressions")
        if given is None or given == {}:
            return Everything()
        if not isinstance(given, dict):
            raise BadRequest("a filter is an object")
        if "_field" in given:
            return self._field(given)
        plain = [name for name in given if not name.startswith("_")]
        if len(given) > 1 and not (self.dialect.several_fields and len(plain) == len(given)):
            raise BadRequest(f"a filter has one key, not {', '.join(sorted(given))}; join several with _and")
        parts = tuple(self._one(name, value, depth) for name, value in given.items())
        return parts[0] if len(parts) == 1 else And(parts)

    def _field(self, given: Mapping[str, Any]) -> Node:
        name = _name(given["_field"])
        if "_value" in given:
            return self._equal(name, given["_value"])
        if self.dialect.bare_contains:
            return Has(name)
        raise BadRequest("_value is missing")

    def _one(self, name: str, value: Any, depth: int) -> Node:
        if name in ("_and", "_or"):
            if not isinstance(value, list):
                raise BadRequest(f"{name} needs a list")
            parts = tuple(self.expression(part, depth + 1) for part in value)
            return And(parts) if name == "_and" else Or(parts)
        if name == "_not":
            return Not(self.expression(value, depth + 1))
        if name == "_any":
            return Everything()
        if not name.startswith("_"):
            return self._equal(name, value)
        if name in ("_createdAt", "_createdBy", "_updatedAt", "_updatedBy") and self.dialect.name == "v1":
            return self._equal(name, value)
        if name not in self.dialect.operators:
            known = ", ".join(sorted({*self.dialect.operators, *LOGIC}))
            raise BadRequest(f"there is no operator {name[:50]}; there are {known}")
        if name in ("_parent", "_child"):
            return self._related(name, value, depth)
        return _OPERATORS[name](self, value)

    def _equal(self, name: str, value: Any) -> Node:
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict | list) for item in items):
            raise BadRequest(f"{name} is compared with a value, not with an object or a list of lists")
        if isinstance(value, list):
            return And(tuple(Equal(name, item) for item in items)) if items else Not(Has(name))
        return Equal(name, value)

    def compared(self, operator: str, given: Any) -> tuple[str, Any]:
        """`{_field, _value}`, or the short `{field: value}`."""
        if isinstance(given, dict) and "_field" in given:
            if "_value" not in given:
                raise BadRequest(f"{operator}: _value is missing")
            return _name(given["_field"]), given["_value"]
        if isinstance(given, dict) and len(given) == 1:
            ((name, value),) = given.items()
            return _name(name), value
        raise BadRequest(f"{operator} needs an object with _field and _value")

    def text(self, operator: str, given: Any) -> tuple[str, str]:
        name, value = self.compared(operator, given)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadRequest(f"{operator} needs a text")
        return name, str(value)

    def moment(self, value: Any) -> Any:
        if isinstance(value, dict) and self.dialect.relative_dates:
            return relative_date(value, self.now)
        if isinstance(value, dict | list) or value is None:
            raise BadRequest("an order needs a number, a date or a text")
        return value

    def _related(self, operator: str, given: Any, depth: int) -> Node:
        if not isinstance(given, dict) or not isinstance(given.get("_type"), str):
            raise BadRequest(f"{operator} needs an object with _type, and _query or _id")
        if "_id" in given:
            query: Node = Identified(given["_id"])
        elif "_query" in given:
            query = self.expression(given["_query"], depth + 1)
        else:
            raise BadRequest(f"{operator} needs _query or _id")
        return Related(operator == "_parent", given["_type"], query)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest("_field is the name of a field")
    return value


def _is(parser: _Parser, given: Any) -> Node:
    name, value = parser.compared("_eq", given)
    return parser._equal(name, value)


def _ordered(operator: str) -> Callable[[_Parser, Any], Node]:
    def build(parser: _Parser, given: Any) -> Node:
        name, value = parser.compared(operator, given)
        return Ordered(name, ORDERS[operator], parser.moment(value))

    return build


def _between(parser: _Parser, given: Any) -> Node:
    if not isinstance(given, dict) or not {"_field", "_from", "_to"} <= given.keys():
        raise BadRequest("_between needs _field, _from and _to")
    name = _name(given["_field"])
    low: Order = ">" if parser.dialect.open_below else ">="
    return And((Ordered(name, low, parser.moment(given["_from"])), Ordered(name, "<", parser.moment(given["_to"]))))


def _in(_: _Parser, given: Any) -> Node:
    values = given.get("_values") if isinstance(given, dict) else None
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise BadRequest(f"_in needs _field and _values, a list of at most {MAX_VALUES}")
    if any(isinstance(value, dict | list) for value in values):
        raise BadRequest("_values is a list of plain values")
    return OneOf(_name(given.get("_field")), tuple(values))


def _has(_: _Parser, given: Any) -> Node:
    return Has(_name(given.get("_field") if isinstance(given, dict) else given))


def _like(parser: _Parser, given: Any) -> Node:
    name, text = parser.text("_like", given)
    if "*" in text or (parser.dialect.like == "words" and "?" in text):
        return Pattern(name, text)
    return Words(name, tuple(text.split())) if parser.dialect.like == "words" else Pattern(name, f"*{text}*")


def _wildcard(parser: _Parser, given: Any) -> Node:
    return Pattern(*parser.text("_wildcard", given))


def _match(parser: _Parser, given: Any) -> Node:
    name, text = parser.text("_match", given)
    return Words(name, (text,))


def _affix(operator: str, *, end: bool) -> Callable[[_Parser, Any], Node]:
    def build(parser: _Parser, given: Any) -> Node:
        name, text = parser.text(operator, given)
        return Affix(name, text, end)

    return build


def _kind(_: _Parser, given: Any) -> Node:
    return Kind(_name(given))


def _string(_: _Parser, given: Any) -> Node:
    if not isinstance(given, str):
        raise BadRequest("_string needs a text")
    return lucene.parse(given)


def _identified(_: _Parser, given: Any) -> Node:
    return Identified(given)


def _unequal(parser: _Parser, given: Any) -> Node:
    return Not(_is(parser, given))


_OPERATORS: Final[Mapping[str, Callable[[_Parser, Any], Node]]] = {
    "_eq": _is,
    "_is": _is,
    "_ne": _unequal,
    **{operator: _ordered(operator) for operator in ORDERS},
    "_between": _between,
    "_in": _in,
    "_contains": _has,
    "_has": _has,
    "_like": _like,
    "_wildcard": _wildcard,
    "_match": _match,
    "_startsWith": _affix("_startsWith", end=False),
    "_endsWith": _affix("_endsWith", end=True),
    "_type": _kind,
    "_string": _string,
    "_id": _identified,
}
