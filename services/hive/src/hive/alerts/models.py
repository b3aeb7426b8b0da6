"""The table of alerts. Its side rows (tags, fields, texts) are written by SQL beside it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import SmallInteger, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.identity.models import User
from hive.tables import Base, Entity


class Alert(Entity, Base):
    __tablename__ = "alerts"
    org_id: Mapped[int]
    type: Mapped[str]
    source: Mapped[str]
    source_ref: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    severity: Mapped[int] = mapped_column(SmallInteger)
    tlp: Mapped[str]
    pap: Mapped[str]
    date: Mapped[int]
    status: Mapped[str]
    stage: Mapped[str]
    read: Mapped[bool]
    follow: Mapped[bool]
    flag: Mapped[bool]
    case_id: Mapped[int | None]
    assignee_id: Mapped[int | None] = mapped_column()
    external_link: Mapped[str | None]
    case_template: Mapped[str | None]
    summary: Mapped[str | None]
    tags: Mapped[list[str]]
    custom_fields: Mapped[list[dict[str, Any]]]
    observable_count: Mapped[int]
    new_date: Mapped[int]
    in_progress_date: Mapped[int | None]
    closed_date: Mapped[int | None]
    imported_date: Mapped[int | None]
    last_sync_date: Mapped[int | None]
    fed: Mapped[dict[str, Any] | None]
    assignee: Mapped[str | None] = column_property(select(User.login).where(User.id == assignee_id).scalar_subquery())
