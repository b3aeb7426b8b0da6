"""Tables of ATT&CK techniques and of their use."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.tables import Base, Entity


class Catalog(Entity, Base):
    """Where techniques come from. `shipped`: loaded at a start of the product, in the edition it comes with."""

    __tablename__ = "pattern_catalogs"
    name: Mapped[str]
    description: Mapped[str]
    variant: Mapped[str | None]
    shipped: Mapped[bool]


class Pattern(Entity, Base):
    """A technique; `tactics` are the columns of the matrix it stands in, `parent` the technique it refines."""

    __tablename__ = "patterns"
    catalog: Mapped[str]
    pattern_id: Mapped[str]
    name: Mapped[str]
    description: Mapped[str]
    tactics: Mapped[list[str]]
    url: Mapped[str]
    revoked: Mapped[bool]
    platforms: Mapped[list[str]]
    data_sources: Mapped[list[str]]
    parent: Mapped[str | None]


class Procedure(Entity, Base):
    __tablename__ = "procedures"
    org_id: Mapped[int]
    alert_id: Mapped[int | None]
    case_id: Mapped[int | None]
    pattern_id: Mapped[str] = mapped_column()
    tactic: Mapped[str]
    description: Mapped[str | None]
    occur_date: Mapped[int]
    pattern_name: Mapped[str] = column_property(select(Pattern.name).where(Pattern.pattern_id == pattern_id).scalar_subquery())
