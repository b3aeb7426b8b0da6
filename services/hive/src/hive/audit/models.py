"""History as a table to search in; rows are written by `audit.service` and by intake."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column
from typing_extensions import TypedDict

from hive.tables import Base, text_id


class AuditRow(Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[int]
    org_id: Mapped[int]
    request_id: Mapped[str]
    base: Mapped[bool]
    action: Mapped[str]
    kind: Mapped[str]
    object_id: Mapped[int]
    root_kind: Mapped[str]
    root_id: Mapped[int]
    actor: Mapped[str]
    details: Mapped[dict[str, Any]]


class OutputAudit(TypedDict):
    _id: str
    _type: str
    action: str
    objectType: str
    objectId: str
    rootType: str
    rootId: str
    base: bool
    requestId: str
    details: dict[str, Any]
    _createdBy: str
    _createdAt: int
    extraData: dict[str, Any]


def audit_out(row: AuditRow) -> OutputAudit:
    """As the stream shows a change."""
    return {
        "_id": text_id(row.id), "_type": "Audit", "action": row.action, "objectType": row.kind,
        "objectId": text_id(row.object_id), "rootType": row.root_kind, "rootId": text_id(row.root_id), "base": row.base,
        "requestId": row.request_id, "details": row.details, "_createdBy": row.actor, "_createdAt": row.at,
        "extraData": {},
    }  # fmt: skip
