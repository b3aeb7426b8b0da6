"""The table of dashboards."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from hive.tables import Base, Entity


class Dashboard(Entity, Base):
    """`shared`: the whole organisation sees it, not its maker (`owner_id`) alone. `definition` is JSON text."""

    __tablename__ = "dashboards"
    org_id: Mapped[int]
    owner_id: Mapped[int]
    title: Mapped[str]
    description: Mapped[str]
    shared: Mapped[bool]
    definition: Mapped[str]
