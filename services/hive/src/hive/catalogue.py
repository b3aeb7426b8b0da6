"""The platform's small catalogues (observable types, statuses, custom fields), kept in memory for a moment.

Intake needs them for every alert. A name that is not found is looked for in the database before it counts as unknown, so that
what was just created is usable at once.
"""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from waggle.db import Database
from waggle.errors import BadRequest, InvalidFields

SECONDS = 2.0
LOAD = """SELECT
  (SELECT coalesce(jsonb_object_agg(name, jsonb_build_array(is_attachment, is_case_sensitive)), '{}')
     FROM observable_types) AS types,
  (SELECT jsonb_object_agg(kind || ':' || value, stage) FROM statuses) AS statuses,
  (SELECT coalesce(jsonb_object_agg(name, jsonb_build_array(field_no, type, options, mandatory, display_name)), '{}')
     FROM custom_fields) AS fields"""


@dataclass(frozen=True, slots=True)
class ObservableKind:
    name: str
    is_attachment: bool
    is_case_sensitive: bool


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A custom field: `number` is its short key in value rows."""

    number: int
    name: str
    type: str
    options: tuple[Any, ...]
    mandatory: bool
    display_name: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    types: dict[str, ObservableKind]
    statuses: dict[str, str]
    fields: dict[str, FieldDefinition]

    def kind(self, data_type: str) -> ObservableKind:
        found = self.types.get(data_type)
        if found is None:
            raise InvalidFields.invalid("dataType", f"there is no observable type {data_type[:64]}")
        return found

    def stage(self, kind: str, status: str) -> str:
        """The stage of a status of alerts or cases. Raises BadRequest for a value that does not exist."""
        found = self.statuses.get(f"{kind}:{status}")
        if found is None:
            raise BadRequest(f"{status[:64]} is not a status of {kind}s")
        return found

    def field(self, name: str) -> FieldDefinition:
        found = self.fields.get(name)
        if found is None:
            raise InvalidFields.invalid("customFields", f"there is no custom field {name[:64]}")
        return found


class Catalogues:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._current: Catalogue | None = None
        self._until = 0.0

    async def current(self, *, types: Set[str] = frozenset(), fields: Set[str] = frozenset()) -> Catalogue:
        """The catalogue; fresh if it lacks any of the names given."""
        known = self._current
        if known is None or time.monotonic() > self._until or not (types <= known.types.keys() and fields <= known.fields.keys()):
            known = await self._load()
        return known

    def forget(self) -> None:
        """To be called by whoever changes a catalogue."""
        self._current = None

    async def _load(self) -> Catalogue:
        row = (await self._database.fetch(LOAD))[0]
        types, statuses, fields = (row[name] for name in ("types", "statuses", "fields"))
        self._current = Catalogue(
            {name: ObservableKind(name, *flags) for name, flags in types.items()},
            statuses,
            {n: FieldDefinition(f[0], n, f[1], tuple(f[2]), f[3], f[4]) for n, f in fields.items()},
        )
        self._until = time.monotonic() + SECONDS
        return self._current
