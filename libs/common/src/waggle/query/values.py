"""Values as clients send them, turned into parameters PostgreSQL compares without a surprise."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from waggle.errors import BadRequest
from waggle.query.register import Field

INT64: Final = 2**63
_NUMBER: Final = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?")
_ID: Final = re.compile(r"~?(\d{1,18})")


class NoMatch(Exception):
    """The value is of the right form, but no object can have it."""


def parameter(name: str, field: Field, value: Any, *, coerces: bool) -> tuple[Any, str]:
    """The parameter and its SQL type. Raises BadRequest for a value of another type, NoMatch where nothing can be equal."""
    kind = field.value_kind
    if field.read is not None:
        value = field.read(value)
    if kind == "id":
        return _identifier(value), "bigint"
    if kind == "uuid":
        try:
            return UUID(str(value)), "uuid"
        except ValueError:
            raise NoMatch from None
    if kind == "boolean":
        return _boolean(name, value, coerces=coerces), "boolean"
    if kind in ("integer", "float", "scale"):
        return _number(name, value, kind, coerces=coerces)
    if isinstance(value, bool | int | float) and coerces:
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is a text")
    return text(value), "text"


def text(value: str) -> str:
    """PostgreSQL's texts hold no NUL and no half of a surrogate pair, so none of its objects contains them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NoMatch from None
    if "\0" in value:
        raise NoMatch
    return value


def _identifier(value: Any) -> int:
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise NoMatch
    return int(found[1])


def _boolean(name: str, value: Any, *, coerces: bool) -> bool:
    if isinstance(value, bool):
        return value
    if coerces and value in ("true", "false", 0, 1):
        return value in ("true", 1)
    raise BadRequest(f"{name} is true or false")


def _number(name: str, value: Any, kind: str, *, coerces: bool) -> tuple[Any, str]:
    if coerces and isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
        value = int(value) if value == int(value) else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{name} is a number")
    if kind == "float":
        try:
            return float(value), "float8"
        except OverflowError:
            raise NoMatch from None
    if isinstance(value, int) and -INT64 <= value < INT64:
        return value, "bigint"
    return Decimal(value), "numeric"  # compared truly: neither rounded nor overflowing


def escaped(value: str) -> str:
    """For LIKE: nothing in it is a wildcard."""
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def like_pattern(value: str) -> str:
    return escaped(value).replace("*", "%").replace("?", "_")


def word_regex(phrase: str) -> str:
    """The phrase with no letter or digit directly before or after it; any blanks between its words."""
    inner = r"\s+".join(re.sub(r"([^\w\s])", r"\\\1", word) for word in phrase.split())
    return rf"(^|[^[:alnum:]]){inner}($|[^[:alnum:]])"
