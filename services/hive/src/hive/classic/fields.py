"""Custom fields as the v0 API writes them: `{"reference": {"type": value, "order": n}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.catalogue import Catalogue, FieldDefinition
from hive.customfields.values import FieldValue, fitting
from waggle.errors import InvalidFields


def values_of(given: Mapping[str, Any] | None, catalogue: Catalogue) -> list[FieldValue]:
    """The values by reference name; `number` stands for integer or float. A bare value is taken as it is."""
    found: list[FieldValue] = []
    for position, (name, raw) in enumerate((given or {}).items()):
        definition = catalogue.field(name)
        order = position
        value = raw
        if isinstance(raw, dict):
            asked = raw.get("order")
            order = asked if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < 10_000 else position
            value = next((v for k, v in raw.items() if k != "order"), None)
        found.append(FieldValue(definition, fitting(definition, _coerced(definition, value)), order))
    return found


def _coerced(definition: FieldDefinition, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise InvalidFields.invalid(f"customFields.{definition.name}", "a single value is needed")
    if definition.type in ("integer", "date") and isinstance(value, float) and value.is_integer():
        return int(value)
    if definition.type in ("string", "url") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def fields_out(stored: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: {one["type"]: one["value"], "order": one["order"]} for one in stored}
