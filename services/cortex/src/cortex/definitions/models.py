"""The table of definitions. It belongs to no organisation; a scan writes it, everybody reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from cortex.tables import Base


class Definition(Base):
    __tablename__ = "definitions"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    flavor_version: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    license: Mapped[str] = mapped_column(Text)
    data_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    command: Mapped[str | None] = mapped_column(Text)
    root: Mapped[str | None] = mapped_column(Text)
    docker_image: Mapped[str | None] = mapped_column(Text)
    base_config: Mapped[str | None] = mapped_column(Text)
    config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    misp_module: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    source: Mapped[str] = mapped_column(Text)
    readable_error: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    gone_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
