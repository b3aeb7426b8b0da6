"""Values of custom fields: checked against their definition, stored exactly, with a short key for search.

`key` holds the first 200 characters of a string, url or boolean word, `number` an integer, float or date; the exact value is in
`value` (domain model §2.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.catalogue import Catalogue, FieldDefinition
from hive.markings import Input
from waggle.errors import InvalidFields

KEY_LENGTH = 200
MAX_TEXT = 65_536
MAX_INTEGER = 2**63 - 1
NUMERIC = ("integer", "float", "date")
Scalar = str | int | float | bool | None


class InputFieldValue(Input):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    value: Scalar = None
    order: Annotated[int, Field(ge=0, le=10_000)] | None = None


InputFields = list[InputFieldValue] | dict[str, Scalar]


class OutputCustomFieldValue(TypedDict):
    _id: str
    name: str
    type: str
    value: Any
    order: NotRequired[int]


@dataclass(frozen=True, slots=True)
class FieldValue:
    definition: FieldDefinition
    value: Scalar
    order: int

    @property
    def key(self) -> str | None:
        kind = self.definition.type
        if self.value is None or kind in NUMERIC:
            return None
        return str(self.value).lower() if kind == "boolean" else str(self.value)[:KEY_LENGTH]

    @property
    def number(self) -> float | None:
        if self.definition.type not in NUMERIC or self.value is None:
            return None
        return float(self.value)

    def row(self) -> dict[str, Any]:
        """The record that the SQL statements read."""
        definition = self.definition
        return {
            "field_no": definition.number, "name": definition.name, "type": definition.type, "ord": self.order,
            "key": self.key, "number": self.number, "value": self.value,
        }  # fmt: skip


RECORD = "f(field_no integer, name text, type text, ord integer, key text, number double precision, value jsonb)"


def names_in(raw: InputFields | None) -> set[str]:
    return {entry.name for entry in raw} if isinstance(raw, list) else set(raw or {})


def parsed(raw: InputFields | None, catalogue: Catalogue) -> list[FieldValue]:
    """The values of a request, in either input form. Raises InvalidFields for unknown names and values of a wrong type."""
    if raw is None:
        return []
    pairs: Iterable[tuple[str, Scalar, int | None]] = (
        ((e.name, e.value, e.order) for e in raw) if isinstance(raw, list) else ((n, v, None) for n, v in raw.items())
    )
    return [
        FieldValue(definition, fitting(definition, value), position if order is None else order)
        for position, (name, value, order) in enumerate(pairs)
        for definition in (catalogue.field(name),)
    ]


def fitting(definition: FieldDefinition, value: Scalar) -> Scalar:
    """The value in the definition's type. Raises InvalidFields."""
    if value is None:
        return None
    name = f"customFields.{definition.name}"
    if not _fits(definition.type, value):
        raise InvalidFields.invalid(name, f"a value of type {definition.type} is needed")
    if definition.type == "float":
        value = float(value)
    if definition.options and value not in definition.options:
        raise InvalidFields.invalid(name, "the value is none of the field's options")
    return value


def _fits(kind: str, value: Scalar) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("string", "url"):
        return isinstance(value, str) and len(value) <= MAX_TEXT
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_INTEGER:
        return False
    return kind == "float" or isinstance(value, int)


def fields_out(stored: list[dict[str, Any]]) -> list[OutputCustomFieldValue]:
    """The copy kept beside an alert or case, as the API shows it."""
    return [
        {"_id": f"~{one['id']}", "name": one["name"], "type": one["type"], "value": one["value"], "order": one["order"]}
        for one in stored
    ]
