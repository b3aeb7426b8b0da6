"""Definitions of custom fields."""

from __future__ import annotations

from typing import Any

from sqlalchemy import FetchedValue, Integer
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class CustomField(Entity, Base):
    __tablename__ = "custom_fields"
    field_no: Mapped[int] = mapped_column(Integer, FetchedValue())
    name: Mapped[str]
    display_name: Mapped[str]
    field_group: Mapped[str]
    description: Mapped[str]
    type: Mapped[str]
    options: Mapped[list[Any]]
    mandatory: Mapped[bool] = mapped_column(default=False)
