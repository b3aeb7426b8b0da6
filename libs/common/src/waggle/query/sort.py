"""Sort keys as clients write them: `-f`, `+f`, `f`, `{"f": "desc"}`, one or several, in a list or a comma list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from waggle.errors import BadRequest
from waggle.query.ast import SortKey

MAX_KEYS: Final = 10


def parse_sort(given: Any) -> tuple[SortKey, ...]:
    """The keys in the order of their weight. Raises BadRequest for what is no sort."""
    keys = tuple(_keys(given))
    if len(keys) > MAX_KEYS:
        raise BadRequest(f"a sort has at most {MAX_KEYS} keys")
    return keys


def _keys(given: Any) -> Iterable[SortKey]:
    if given is None:
        return
    if isinstance(given, str):
        for part in given.split(","):
            if part.strip():
                yield _key(part)
    elif isinstance(given, dict):
        for name, direction in given.items():
            if direction not in ("asc", "desc"):
                raise BadRequest("a sort direction is asc or desc")
            yield SortKey(str(name), direction == "desc")
    elif isinstance(given, list | tuple):
        for item in given:
            yield from _keys(item)
    else:
        raise BadRequest("a sort is a field, a list of fields, or an object with directions")


def _key(text: str) -> SortKey:
    """A `+` in a URL arrives as a blank, so a leading blank means ascending as well."""
    name = text.strip()
    if name.startswith("-"):
        return SortKey(name[1:].strip(), descending=True)
    return SortKey(name.removeprefix("+").strip())
