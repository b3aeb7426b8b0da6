"""Statuses as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.identity.schemas import updated
from hive.markings import Input
from hive.statuses.models import Status
from hive.tables import text_id

Value = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
Stage = Literal["New", "InProgress", "Closed"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Order = Annotated[int, Field(ge=0, le=10_000)]
Description = Annotated[str, Field(max_length=65_536)]


class InputStatus(Input):
    value: Value
    stage: Stage
    order: Order = 0
    description: Description = ""
    colour: Colour = "#000000"
    hidden: bool = False


class InputUpdateStatus(Input):
    value: Value | None = None
    stage: Stage | None = None
    order: Order | None = None
    description: Description | None = None
    colour: Colour | None = None
    hidden: bool | None = None


class OutputStatus(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    value: str
    stage: str
    order: int
    description: str
    colour: str
    hidden: bool
    extraData: dict[str, Any]


def status_out(row: Status) -> OutputStatus:
    shown: OutputStatus = {
        "_id": text_id(row.id), "_type": f"{row.kind.capitalize()}Status", "_createdBy": row.created_by,
        "_createdAt": row.created_at, "version": row.version, "value": row.value, "stage": row.stage, "order": row.ord,
        "description": row.description, "colour": row.colour, "hidden": row.hidden, "extraData": {},
    }  # fmt: skip
    shown.update(updated(row))  # type: ignore[typeddict-item]
    return shown
