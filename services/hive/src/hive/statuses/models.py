"""The table of statuses."""

from __future__ import annotations

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class Status(Entity, Base):
    __tablename__ = "statuses"
    kind: Mapped[str]
    value: Mapped[str]
    stage: Mapped[str]
    ord: Mapped[int] = mapped_column(Integer, default=0)
    description: Mapped[str] = mapped_column(default="")
    colour: Mapped[str] = mapped_column(default="#000000")
    hidden: Mapped[bool] = mapped_column(default=False)
    built_in: Mapped[bool] = mapped_column(default=False)
