"""What changes of all kinds of objects have in common at the v1 edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.markings import pap_of, tlp_of, unique
from waggle.errors import InvalidFields


def plain_columns(given: Mapping[str, Any], *, merged: frozenset[str], clearable: frozenset[str]) -> dict[str, Any]:
    """The fields that are columns as they are. Raises InvalidFields for a null where a value must be."""
    columns: dict[str, Any] = {}
    for name, value in given.items():
        if name in merged:
            continue
        if value is None and name not in clearable:
            raise InvalidFields.invalid(name, "null is not a value here")
        columns[name] = value
    if columns.get("tlp") is not None:
        columns["tlp"] = tlp_of(columns["tlp"])
    if columns.get("pap") is not None:
        columns["pap"] = pap_of(columns["pap"])
    if "tags" in columns:
        columns["tags"] = unique(columns["tags"])
    return columns
