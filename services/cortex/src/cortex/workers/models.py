"""Tables of workers and of the configuration they share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cortex.tables import Base
from waggle.db.models import Stamped


class Worker(Base, Stamped):
    """What the contract wants fixed at the moment of enabling is copied from the definition."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    org_id: Mapped[str] = mapped_column(Text)
    definition_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    flavor_version: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    license: Mapped[str] = mapped_column(Text)
    data_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    command: Mapped[str | None] = mapped_column(Text)
    root: Mapped[str | None] = mapped_column(Text)
    docker_image: Mapped[str | None] = mapped_column(Text)
    base_config: Mapped[str] = mapped_column(Text)
    config_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    public_config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    max_tlp: Mapped[str | None] = mapped_column(Text)
    max_pap: Mapped[str | None] = mapped_column(Text)
    rate: Mapped[int | None] = mapped_column(Integer)
    rate_unit: Mapped[str | None] = mapped_column(Text)
    cache_minutes: Mapped[int | None] = mapped_column(Integer)
    timeout_minutes: Mapped[int | None] = mapped_column(Integer)
    runner: Mapped[str | None] = mapped_column(Text)


class BaseConfig(Base):
    __tablename__ = "base_configs"

    org_id: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    config_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    public_config: Mapped[dict[str, Any]] = mapped_column(JSONB)
