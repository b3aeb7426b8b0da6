"""Cells for spreadsheets: what they hold is never a formula of the program that opens them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

# Also in the wide forms that some programs read alike.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def harmless(text: str) -> str:
    """A text that would be read as a formula gets an apostrophe before it, which spreadsheets do not show."""
    return f"'{text}" if text.startswith("\t") or text.lstrip().startswith(FORMULA) else text


def cell(value: Any) -> str | int | float:
    """Texts as they are, several of them after another, anything deeper as JSON; empty where there is nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return harmless("; ".join(str(one) for one in value))
    return harmless(orjson.dumps(value).decode())


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows as CSV (RFC 4180)."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8", "replace")
