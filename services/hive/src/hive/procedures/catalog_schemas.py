"""Catalogues of techniques as the v1 API shows them."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from hive.identity.schemas import updated
from hive.procedures.models import Catalog
from hive.tables import text_id


class OutputCatalog(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    name: str
    description: str
    variant: NotRequired[str]
    extraData: dict[str, Any]


def catalog_out(row: Catalog) -> OutputCatalog:
    shown: OutputCatalog = {
        "_id": text_id(row.id), "_type": "Catalog", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "name": row.name, "description": row.description, "extraData": {},
    }  # fmt: skip
    if row.variant is not None:
        shown["variant"] = row.variant
    shown.update(updated(row))  # type: ignore[typeddict-item]
    return shown
