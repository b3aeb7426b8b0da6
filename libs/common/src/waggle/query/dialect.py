"""In what the three search languages differ (contracts hive-v0 §4, hive-v1 §4, cortex §2.12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Like = Literal["contains", "words"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`operators` are the comparison words it knows beside `_and`, `_or`, `_not`, `_any` and the plain `{field: value}`."""

    name: str
    operators: frozenset[str]
    like: Like
    """What `_like` means without a star: the text contains the value, or contains all its words."""
    open_below: bool
    """Whether `_between` leaves out its lower end."""
    several_fields: bool
    """Whether an object with several plain keys means all of them; otherwise it is an error."""
    coerces: bool
    """Whether a number may come as a text."""
    ignores_unknown_sort: bool
    relative_dates: bool
    bare_contains: bool
    """Whether `{"_field": F}` alone means that F has a value."""


_SHARED: Final = frozenset(
    {"_gt", "_gte", "_lt", "_lte", "_between", "_in", "_contains", "_id", "_like", "_string", "_field", "_wildcard"}
)

HIVE_V0: Final = Dialect(
    name="v0",
    operators=_SHARED | {"_is", "_eq", "_ne", "_startsWith", "_endsWith", "_type", "_parent", "_child"},
    like="words",
    open_below=False,
    several_fields=True,
    coerces=True,
    ignores_unknown_sort=True,
    relative_dates=False,
    bare_contains=True,
)
HIVE_V1: Final = Dialect(
    name="v1",
    operators=(_SHARED - {"_wildcard"}) | {"_eq", "_is", "_ne", "_startsWith", "_endsWith", "_match", "_has"},
    like="contains",
    open_below=False,
    several_fields=False,
    coerces=False,
    ignores_unknown_sort=False,
    relative_dates=True,
    bare_contains=False,
)
CORTEX: Final = Dialect(
    name="cortex",
    operators=_SHARED | {"_type", "_parent", "_child"},
    like="words",
    open_below=True,
    several_fields=False,
    coerces=True,
    ignores_unknown_sort=False,
    relative_dates=False,
    bare_contains=False,
)
