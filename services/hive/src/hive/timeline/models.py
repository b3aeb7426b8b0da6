"""The table of events that analysts enter themselves."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from hive.tables import Base, Entity


class CustomEvent(Entity, Base):
    __tablename__ = "custom_events"
    org_id: Mapped[int]
    case_id: Mapped[int]
    date: Mapped[int]
    end_date: Mapped[int | None]
    title: Mapped[str]
    description: Mapped[str | None]
