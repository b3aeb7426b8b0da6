"""Dashboards as the v1 API shows them; they are written over the classic API (hive-v0 §2.12)."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from hive.dashboards.models import Dashboard
from hive.tables import text_id


class OutputDashboard(TypedDict):
    _id: str
    _type: Literal["Dashboard"]
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    title: str
    description: str
    status: Literal["Private", "Shared"]
    definition: str


def dashboard_out(row: Dashboard) -> OutputDashboard:
    answer: OutputDashboard = {
        "_id": text_id(row.id), "_type": "Dashboard", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "title": row.title, "description": row.description,
        "status": "Shared" if row.shared else "Private", "definition": row.definition,
    }  # fmt: skip
    if row.updated_at is not None and row.updated_by is not None:
        answer["_updatedAt"], answer["_updatedBy"] = row.updated_at, row.updated_by
    return answer
