"""The table of observables: one for alerts and cases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, LargeBinary, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.attachments.models import Blob
from hive.tables import Base, Entity


class Observable(Entity, Base):
    __tablename__ = "observables"
    org_id: Mapped[int]
    alert_id: Mapped[int | None]
    case_id: Mapped[int | None]
    parent_id: Mapped[int] = mapped_column(BigInteger, FetchedValue())
    data_type: Mapped[str]
    data: Mapped[str | None]
    value_key: Mapped[UUID]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    file_name: Mapped[str | None]
    content_type: Mapped[str | None]
    attachment_id: Mapped[int | None]
    tlp: Mapped[str]
    pap: Mapped[str]
    ioc: Mapped[bool]
    sighted: Mapped[bool]
    ignore_similarity: Mapped[bool]
    external: Mapped[bool] = mapped_column(server_default=FetchedValue())
    sighted_at: Mapped[int | None]
    tags: Mapped[list[str]]
    message: Mapped[str | None]
    reports: Mapped[dict[str, Any]]
    first_seen: Mapped[int | None]
    origin: Mapped[dict[str, Any] | None]
    blob: Mapped[dict[str, Any] | None] = column_property(
        select(func.jsonb_build_object("sha1", Blob.sha1, "md5", Blob.md5, "size", Blob.size, type_=JSONB))
        .where(Blob.sha256 == sha256)
        .scalar_subquery()
    )
