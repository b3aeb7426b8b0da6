"""Observable types as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.identity.schemas import updated
from hive.markings import Input
from hive.observabletypes.models import ObservableType
from hive.tables import text_id


class InputObservableType(Input):
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    is_attachment: bool = False
    is_case_sensitive: bool = True


class InputUpdateObservableType(Input):
    is_case_sensitive: bool


class OutputObservableType(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    name: str
    isAttachment: bool
    isCaseSensitive: bool


def type_out(row: ObservableType) -> OutputObservableType:
    shown: OutputObservableType = {
        "_id": text_id(row.id), "_type": "ObservableType", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "name": row.name, "isAttachment": row.is_attachment, "isCaseSensitive": row.is_case_sensitive,
    }  # fmt: skip
    shown.update(updated(row))  # type: ignore[typeddict-item]
    return shown
