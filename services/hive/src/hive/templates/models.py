"""The table of case templates."""

from __future__ import annotations

from typing import Any

from sqlalchemy import SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class CaseTemplate(Entity, Base):
    """`tasks`: a list of task descriptions in order; `custom_fields`: a list of {name, value, order}."""

    __tablename__ = "case_templates"
    org_id: Mapped[int]
    name: Mapped[str]
    display_name: Mapped[str]
    title_prefix: Mapped[str | None]
    description: Mapped[str | None]
    severity: Mapped[int | None] = mapped_column(SmallInteger)
    tlp: Mapped[str | None]
    pap: Mapped[str | None]
    flag: Mapped[bool] = mapped_column(default=False)
    summary: Mapped[str | None]
    tags: Mapped[list[str]]
    tasks: Mapped[list[dict[str, Any]]]
    custom_fields: Mapped[list[dict[str, Any]]]
