"""The tables of tags and taxonomies."""

from __future__ import annotations

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity

DEFAULT_COLOUR = "#000000"


class Taxonomy(Entity, Base):
    __tablename__ = "taxonomies"
    namespace: Mapped[str]
    description: Mapped[str]
    taxonomy_version: Mapped[int] = mapped_column(Integer)
    exclusive: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=False)
    shipped: Mapped[bool] = mapped_column(default=False)


class Tag(Entity, Base):
    __tablename__ = "tags"
    org_id: Mapped[int | None]
    taxonomy_id: Mapped[int | None]
    namespace: Mapped[str]
    predicate: Mapped[str]
    value: Mapped[str | None]
    description: Mapped[str | None]
    colour: Mapped[str] = mapped_column(default=DEFAULT_COLOUR)
