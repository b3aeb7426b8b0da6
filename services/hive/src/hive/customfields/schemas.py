"""Custom fields' definitions as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.customfields.models import CustomField
from hive.identity.schemas import updated
from hive.markings import Input
from hive.tables import text_id

Name = Annotated[str, Field(min_length=1, max_length=64)]
FieldType = Literal["string", "integer", "float", "boolean", "date", "url"]


class InputCustomField(Input):
    name: Name
    display_name: Name | None = None
    group: Name
    description: Annotated[str, Field(max_length=65_536)]
    type: FieldType
    mandatory: bool = False
    options: Annotated[list[str | int | float], Field(max_length=10_000)] = Field(default_factory=list)


class InputUpdateCustomField(Input):
    display_name: Name | None = None
    group: Name | None = None
    description: Annotated[str, Field(max_length=65_536)] | None = None
    type: FieldType | None = None
    mandatory: bool | None = None
    options: Annotated[list[str | int | float], Field(max_length=10_000)] | None = None


class OutputCustomField(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    name: str
    displayName: str
    group: str
    description: str
    type: str
    options: list[Any]
    mandatory: bool
    extraData: dict[str, Any]


def field_out(row: CustomField) -> OutputCustomField:
    answer: OutputCustomField = {
        "_id": text_id(row.id), "_type": "CustomField", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "name": row.name, "displayName": row.display_name, "group": row.field_group,
        "description": row.description, "type": row.type, "options": row.options, "mandatory": row.mandatory, "extraData": {},
    }  # fmt: skip
    answer.update(updated(row))  # type: ignore[typeddict-item]
    return answer
