"""What classic requests may take for granted: observable types and custom fields that nobody defined (settings of hive-v0 §7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hive.acting import Acting
from hive.catalogue import Catalogue
from hive.customfields import definitions
from hive.observabletypes import service as observabletypes
from waggle.errors import CreateError, InvalidFields, NotFound

MAX_NAME = 64
AUTOMATIC = 2000
"""How many types or fields there may be before requests make no more of them: a catalogue is kept in memory and in pages."""
SPELLINGS = {"mail_subject": "mail-subject", "user_agent": "user-agent", "autonomous_system": "autonomous-system"}


def spelled(data_type: str) -> str:
    """TheHive 3 wrote some types with an underscore."""
    return SPELLINGS.get(data_type, data_type)


def makeable(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name


async def prepared(acting: Acting, *, types: Iterable[str] = (), fields: Mapping[str, Any] | None = None) -> Catalogue:
    """The catalogue, with the types and fields a request names made first, where the settings say so.

    Raises NotFound where they say that unknown ones are refused.
    """
    wanted = {spelled(name) for name in types}
    named = dict(fields or {})
    catalogue = await acting.hive.catalogues.current(types=wanted, fields=set(named))
    new_types = sorted(name for name in wanted - catalogue.types.keys() if makeable(name))
    new_fields = {name: raw for name, raw in named.items() if name not in catalogue.fields}
    made = await _make_types(acting, catalogue, new_types)
    made = await _make_fields(acting, catalogue, new_fields) or made
    if made:
        acting.hive.catalogues.forget()
        catalogue = await acting.hive.catalogues.current(types=wanted, fields=set(named))
    return catalogue


async def _make_types(acting: Acting, catalogue: Catalogue, names: list[str]) -> bool:
    mode = acting.hive.settings.unknown_data_type
    if names and mode == "reject":
        raise NotFound(f"ObservableType {names[0]} not found")
    made = False
    for name in names if mode == "create" and len(catalogue.types) + len(names) <= AUTOMATIC else ():
        try:
            async with acting.begin() as session:
                await observabletypes.create(session, acting.caller, name=name)
        except CreateError:  # made by another request at the same time
            pass
        made = True
    return made


async def _make_fields(acting: Acting, catalogue: Catalogue, values: Mapping[str, Any]) -> bool:
    mode = acting.hive.settings.undefined_custom_field
    if values and mode == "reject":
        raise NotFound(f"CustomField {next(iter(values))[:MAX_NAME]} not found")
    made = False
    for name, raw in values.items() if mode == "create" and len(catalogue.fields) + len(values) <= AUTOMATIC else ():
        if not makeable(name):
            raise InvalidFields.invalid("customFields", f"a name has 1 to {MAX_NAME} printable characters")
        try:
            async with acting.begin() as session:
                await definitions.define(session, acting.caller, name=name, type=inferred(raw))
        except CreateError:
            pass
        made = True
    return made


def inferred(raw: Any) -> str:
    """The type of a value by the key it stands under, else by itself; text where neither says."""
    value = raw
    if isinstance(raw, Mapping):
        named = next((key for key in raw if key != "order"), "string")
        value = raw.get(named)
        if named in ("string", "integer", "float", "boolean", "date", "url"):
            return str(named)
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "float" if isinstance(value, float) else "string"
