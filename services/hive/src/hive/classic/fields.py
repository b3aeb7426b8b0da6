"""Custom fields as the v0 API writes them: `{"reference": {"type": value, "order": n}}`, a bare value, or dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.catalogue import Catalogue, FieldDefinition
from hive.classic.reading import Body
from hive.customfields.values import FieldValue, fitting
from waggle.errors import InvalidFields

DOTTED = "customFields."
# The keys a value may stand under, beside its field's own type. `number` is what thehive4py's CustomFieldHelper.add_number sends.
ALSO = {
    "integer": {"number"}, "float": {"number", "integer"}, "date": {"number"}, "url": {"string"}, "string": set(),
    "boolean": set(),
}  # fmt: skip
TYPES = ("string", "integer", "float", "boolean", "date", "number", "url")
MAX_ORDER = 10_000


def named(body: Body) -> dict[str, Any]:
    """Every custom field a body speaks of, by reference, with what it gives; what a request may have to define first."""
    found = dict(body.mapping("customFields") or {})
    for key, raw in body.values.items():
        if key.startswith(DOTTED):
            name, kind = _split(key.removeprefix(DOTTED))
            found[name] = {kind: raw} if kind else raw
    return found


def _split(name: str) -> tuple[str, str | None]:
    bare, _, kind = name.rpartition(".")
    return (bare, kind) if bare and kind in TYPES else (name, None)


def values_of(given: Mapping[str, Any] | None, catalogue: Catalogue) -> list[FieldValue]:
    """The values by reference name, in the order given; fields that are not defined are left out (the settings allow it)."""
    found: list[FieldValue] = []
    for position, (name, raw) in enumerate((given or {}).items()):
        definition = catalogue.fields.get(name)
        if definition is None:
            continue
        order, value = position, raw
        if isinstance(raw, dict):
            asked = raw.get("order")
            order = asked if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < MAX_ORDER else position
            value = _typed(definition, raw)
        found.append(FieldValue(definition, fitting(definition, _coerced(definition, value)), order))
    return found


def _typed(definition: FieldDefinition, raw: Mapping[str, Any]) -> Any:
    """The value under its type's key. Raises InvalidFields for the key of another type."""
    for key, value in raw.items():
        if key == "order":
            continue
        if key != definition.type and key not in ALSO[definition.type] and value is not None:
            raise InvalidFields.invalid(
                f"customFields.{definition.name}", f"the field is of type {definition.type}, not {key[:20]}"
            )
        return value
    return None


def changed(body: Body, stored: list[dict[str, Any]], catalogue: Catalogue) -> list[FieldValue] | None:
    """All values an object has after a PATCH, or None where it speaks of none.

    `customFields` replaces the set; a dotted key touches its field and leaves the others.
    """
    whole = body.mapping("customFields")
    dotted = {name: raw for name, raw in named(body).items() if name not in (whole or {})}
    if whole is None and not dotted:
        return None
    values = values_of(whole, catalogue) if whole is not None else _kept(stored, catalogue)
    touched = {one.definition.name: one for one in values_of(dotted, catalogue)}
    kept: list[FieldValue] = []
    for one in values:
        new = touched.pop(one.definition.name, None)
        kept.append(one if new is None else FieldValue(new.definition, new.value, one.order))
    following = max((one.order for one in kept), default=-1) + 1
    return kept + [FieldValue(one.definition, one.value, following + n) for n, one in enumerate(touched.values())]


def _kept(stored: list[dict[str, Any]], catalogue: Catalogue) -> list[FieldValue]:
    return [
        FieldValue(definition, one["value"], one["order"])
        for one in stored
        if (definition := catalogue.fields.get(one["name"])) is not None
    ]


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
