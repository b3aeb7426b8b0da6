"""Defining custom fields, changing and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.catalogue import FieldDefinition
from hive.customfields.models import CustomField
from hive.customfields.values import fitting
from hive.identity.caller import Caller
from hive.tables import number_of, touch
from waggle.errors import BadRequest, CreateError, InvalidFields, NotFound
from waggle.ids import now_ms

WITH_OPTIONS = ("string", "integer", "float")
DEFAULT_GROUP = "default"


@dataclass(frozen=True, slots=True)
class Usage:
    """How many objects have a value of the field, over all organisations."""

    alerts: int
    cases: int
    templates: int

    @property
    def total(self) -> int:
        return self.alerts + self.cases + self.templates


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> CustomField:
    """The definition of an id or name. Raises NotFound."""
    statement = select(CustomField).where(or_(CustomField.id == number_of(reference), CustomField.name == reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"CustomField {reference[:64]} not found")
    return found


async def define(
    session: AsyncSession,
    caller: Caller,
    *,
    name: str,
    type: str,
    display_name: str | None = None,
    group: str = DEFAULT_GROUP,
    description: str = "",
    options: Sequence[Any] = (),
    mandatory: bool = False,
) -> CustomField:
    """A new field. Raises CreateError for a name that exists, InvalidFields for options of another type."""
    check_options(type, options)
    row = CustomField(
        name=name, display_name=display_name or name, field_group=group, description=description, type=type,
        options=list(options), mandatory=mandatory, created_at=now_ms(), created_by=caller.login,
    )  # fmt: skip
    try:
        async with session.begin_nested():
            session.add(row)
            await session.flush()
    except IntegrityError as error:
        raise CreateError(f"CustomField {name[:64]} already exist") from error
    await _record(session, caller, "create", row, {"name": row.name, "type": row.type})
    return row


async def redefine(session: AsyncSession, caller: Caller, row: CustomField, changes: Mapping[str, Any]) -> None:
    """Changes a definition by column name. Raises BadRequest for another type while there are values."""
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not changed:
        return
    if "type" in changed and (await usage(session, row)).total:
        raise BadRequest(f"the type of {row.name} cannot change: there are values of it")
    for name, value in changed.items():
        setattr(row, name, value)
    check_options(row.type, row.options)
    touch(row, caller.login)
    await session.flush()
    await _record(session, caller, "update", row, changed)


async def usage(session: AsyncSession, row: CustomField) -> Usage:
    found = (await session.execute(text("SELECT * FROM custom_field_use(CAST(:no AS integer))"), {"no": row.field_no})).one()
    return Usage(found.alerts, found.cases, found.templates)


async def remove(session: AsyncSession, caller: Caller, row: CustomField, *, force: bool) -> None:
    """Takes a definition away; with `force` its values as well. Raises BadRequest where there are values and no force."""
    if not force and (used := (await usage(session, row)).total):
        raise BadRequest(f"{row.name} is used {used} times; force removes it with its values")
    await _record(session, caller, "delete", row, {"name": row.name, "type": row.type})
    await session.execute(text("SELECT remove_custom_field(CAST(:no AS integer))"), {"no": row.field_no})
    session.expunge(row)


def check_options(kind: str, options: Sequence[Any]) -> None:
    if options and kind not in WITH_OPTIONS:
        raise InvalidFields.invalid("options", f"a field of type {kind} has no options")
    bare = FieldDefinition(0, "options", kind, (), mandatory=False, display_name="options")
    for option in options:
        fitting(bare, option)


async def _record(session: AsyncSession, caller: Caller, action: Any, row: CustomField, details: dict[str, Any]) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind="customField", object_id=row.id, root=root, details=details)
