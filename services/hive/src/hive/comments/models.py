"""The table of comments."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class Comment(Entity, Base):
    __tablename__ = "comments"
    org_id: Mapped[int]
    alert_id: Mapped[int | None]
    case_id: Mapped[int | None]
    message: Mapped[str]
    external: Mapped[bool] = mapped_column(default=False)
