"""Filter expressions of both search languages as SQL conditions over an entity's fields.

A field without a value satisfies no comparison, so `_ne` and `_not` hold for it; a field with several values satisfies a
comparison if any of them does (hive-v1 §4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from hive.tables import number_of
from waggle.errors import BadRequest

Kind = Literal["text", "number", "bool", "id", "scale", "list"]
Condition = ColumnElement[bool]
MAX_DEPTH = 30
MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Field:
    """`column`: what is compared and sorted. `having`: for fields in side rows, makes the condition from one over their value.

    `scale`: words in their order, for markings that an API numbers; `read` turns a value as sent into one as stored.
    """

    column: Any
    kind: Kind = "text"
    having: Callable[[Callable[[Any], Condition]], Condition] | None = None
    scale: tuple[str, ...] = ()
    read: Callable[[Any], Any] | None = None


Register = Mapping[str, Field]
Finder = Callable[[str], Field]


def finder(register: Register, custom: Callable[[str], Field] | None = None) -> Finder:
    def find(name: Any) -> Field:
        if isinstance(name, str) and name in register:
            return register[name]
        if isinstance(name, str) and custom is not None and name.startswith("customFields."):
            return custom(name.removeprefix("customFields."))
        raise BadRequest(f"there is no property {str(name)[:100]} here; there are {', '.join(sorted(register))}")

    return find


def condition(expression: Any, find: Finder, depth: int = 0) -> Condition:
    """Raises BadRequest for what is not an expression."""
    if depth > MAX_DEPTH:
        raise BadRequest("the filter is nested too deep")
    if not isinstance(expression, dict):
        raise BadRequest("a filter is an object")
    if "_field" in expression:
        return _compare("_eq", expression, find) if "_value" in expression else _present(expression["_field"], find)
    parts = [_one(name, value, find, depth) for name, value in expression.items()]
    return and_(true(), *parts)


def _one(name: str, value: Any, find: Finder, depth: int) -> Condition:
    if name in ("_and", "_or"):
        if not isinstance(value, list):
            raise BadRequest(f"{name} needs a list")
        parts = [condition(part, find, depth + 1) for part in value]
        return and_(true(), *parts) if name == "_and" else or_(false(), *parts)
    if name == "_not":
        return not_(func.coalesce(condition(value, find, depth + 1), false()))
    if name == "_any":
        return true()
    if name == "_id":
        return _compare("_eq", {"_field": "_id", "_value": value}, find)
    if name in ("_has", "_contains"):
        return _present(value, find)
    if name in OPERATORS:
        return _compare(name, value, find)
    if name.startswith("_"):
        raise BadRequest(
            f"there is no operator {name[:50]}; there are {', '.join(sorted(OPERATORS))}, _and, _or, _not, _has, _any"
        )
    return _compare("_eq", {"_field": name, "_value": value}, find)


def _compare(operator: str, given: Any, find: Finder) -> Condition:
    if not isinstance(given, dict) or not given:
        raise BadRequest(f"{operator} needs an object with _field and _value")
    if "_field" not in given:
        if len(given) != 1:
            raise BadRequest(f"{operator} needs an object with _field and _value")
        ((name, value),) = given.items()
        given = {"_field": name, "_value": value}
    field = find(given["_field"])
    test = OPERATORS[operator](field, given)
    if operator == "_ne":
        positive = _holds(field, OPERATORS["_eq"](field, given))
        return not_(func.coalesce(positive, false()))
    return _holds(field, test)


def _holds(field: Field, test: Callable[[Any], Condition]) -> Condition:
    return field.having(test) if field.having else test(field.column)


def _present(name: Any, find: Finder) -> Condition:
    field = find(name)
    if field.having:
        return field.having(lambda column: column.is_not(None))
    return func.cardinality(field.column) > 0 if field.kind == "list" else field.column.is_not(None)


def _value(field: Field, value: Any) -> Any:
    """A value as the column compares it. Raises BadRequest for the wrong type."""
    if field.read:
        return field.read(value)
    if field.kind == "id":
        return number_of(value) if isinstance(value, str) else None
    if field.kind == "bool":
        if not isinstance(value, bool):
            raise BadRequest("the property is true or false")
        return value
    if field.kind == "number":
        if isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_NUMBER:
            raise BadRequest("the property is a number")
        return value
    if not isinstance(value, str) or "\0" in value:
        raise BadRequest("the property is a text")
    return value


def _need(given: Mapping[str, Any], key: str) -> Any:
    if key not in given:
        raise BadRequest(f"{key} is missing")
    return given[key]


def _eq(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    value = _value(field, _need(given, "_value"))
    return lambda column: false() if value is None else column == value


def _order(symbol: str) -> Callable[[Field, Mapping[str, Any]], Callable[[Any], Condition]]:
    def build(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
        value = _value(field, _need(given, "_value"))
        if value is None:
            return lambda _: false()
        if field.scale:
            at = field.scale.index(value)
            words = {
                "_gt": field.scale[at + 1 :], "_gte": field.scale[at:], "_lt": field.scale[:at], "_lte": field.scale[: at + 1],
            }[symbol]  # fmt: skip
            return lambda column: column.in_(words)
        return {
            "_gt": lambda column: column > value, "_gte": lambda column: column >= value,
            "_lt": lambda column: column < value, "_lte": lambda column: column <= value,
        }[symbol]  # fmt: skip

    return build


def _between(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    low = _order("_gte")(field, {"_value": _need(given, "_from")})
    high = _order("_lt")(field, {"_value": _need(given, "_to")})
    return lambda column: and_(low(column), high(column))


def _in(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    values = _need(given, "_values")
    if not isinstance(values, list) or len(values) > 10_000:
        raise BadRequest("_values is a list of at most 10000 values")
    found = [v for v in (_value(field, value) for value in values) if v is not None]
    return lambda column: column.in_(found)


def _text(field: Field, given: Mapping[str, Any]) -> str:
    value = _need(given, "_value")
    if field.kind not in ("text", "list") or field.scale:
        raise BadRequest("the property is not a text")
    if not isinstance(value, str) or "\0" in value:
        raise BadRequest("the operator needs a text")
    return value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _like(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    text = _text(field, given)
    pattern = _escaped(text).replace("*", "%") if "*" in text else f"%{_escaped(text)}%"
    return lambda column: column.ilike(pattern)


def _match(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    pattern = f"%{_escaped(_text(field, given))}%"
    return lambda column: column.ilike(pattern)


def _starts(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    text = _text(field, given)
    return lambda column: column.startswith(text, autoescape=True)


def _ends(field: Field, given: Mapping[str, Any]) -> Callable[[Any], Condition]:
    text = _text(field, given)
    return lambda column: column.endswith(text, autoescape=True)


OPERATORS: dict[str, Callable[[Field, Mapping[str, Any]], Callable[[Any], Condition]]] = {
    "_eq": _eq, "_is": _eq, "_ne": _eq, "_gt": _order("_gt"), "_gte": _order("_gte"), "_lt": _order("_lt"),
    "_lte": _order("_lte"), "_between": _between, "_in": _in, "_like": _like, "_wildcard": _like, "_match": _match,
    "_startsWith": _starts, "_endsWith": _ends,
}  # fmt: skip
