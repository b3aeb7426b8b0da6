"""A case's observables as text: plain, CSV, or MISP's freetext; defanged unless the raw values are asked for (hive-v0 §5.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from hive.observables.models import Observable

Format = Literal["txt", "csv", "misp"]
MEDIA_TYPES: dict[Format, str] = {"txt": "text/plain", "csv": "text/csv", "misp": "text/plain"}
DEFANGED_TYPES = frozenset({"url", "ip", "mail", "domain", "filename"})
SCHEME = re.compile("http", re.IGNORECASE)
FANGED_SCHEME = re.compile("hxxp", re.IGNORECASE)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def defanged(data_type: str, value: str) -> str:
    """The value so that nothing opens it by accident: `hxxp://a[.]example/x`. What is defanged already stays so."""
    if data_type not in DEFANGED_TYPES:
        return value
    plain = FANGED_SCHEME.sub("http", value.replace("[.]", "."))
    return SCHEME.sub("hxxp", plain.replace(".", "[.]"))


def _line(row: Observable, form: Format, *, protect: bool) -> str:
    data_type, value = row.data_type, row.data or ""
    if row.sha256 is not None:
        data_type, value = "file", f"{row.file_name}|{row.sha256.hex()}"
    elif protect:
        value = defanged(data_type, value)
    value = " ".join(value.splitlines())
    if form == "txt":
        return value
    if form == "csv":
        return f"{_cell(data_type)};{_cell(value)}"
    return f"*{'filename|sha256' if row.sha256 is not None else data_type}\t:{value}"


def _cell(text: str) -> str:
    """A CSV cell: quoted where it must be, and never a formula for the spreadsheet that opens it."""
    safe = f"'{text}" if text.startswith(FORMULA) else text
    return '"' + safe.replace('"', '""') + '"' if any(c in safe for c in ';"\n') else safe


def exported(rows: Iterable[Observable], form: Format, *, protect: bool) -> str:
    return "".join(f"{_line(row, form, protect=protect)}\n" for row in rows)
