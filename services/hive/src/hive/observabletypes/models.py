"""The table of observable types."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class ObservableType(Entity, Base):
    __tablename__ = "observable_types"
    name: Mapped[str]
    is_attachment: Mapped[bool] = mapped_column(default=False)
    is_case_sensitive: Mapped[bool] = mapped_column(default=True)
