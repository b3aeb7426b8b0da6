"""Pages as the classic APIs name them: `range=start-end`, end exclusive."""

from __future__ import annotations

import re
from dataclasses import dataclass

RANGE = re.compile(r"(\d{1,15})-(\d{1,15})")
DEFAULT_SIZE = 10


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` None = everything from `offset` on."""

    offset: int = 0
    limit: int | None = DEFAULT_SIZE


def parse_range(text: str | None) -> Page:
    """`0-10` = ten items, `all` = everything; malformed or absent = the first ten; an end before the start = ten items."""
    if text is None:
        return Page()
    text = text.strip()
    if text == "all":
        return Page(0, None)
    found = RANGE.fullmatch(text)
    if not found:
        return Page()
    start, end = int(found[1]), int(found[2])
    return Page(start, end - start if end > start else DEFAULT_SIZE)
