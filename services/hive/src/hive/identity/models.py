"""Tables of people and organisations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, FetchedValue, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class Organisation(Entity, Base):
    __tablename__ = "organisations"
    name: Mapped[str]
    description: Mapped[str]
    task_rule: Mapped[str] = mapped_column(default="manual")
    observable_rule: Mapped[str] = mapped_column(default="manual")
    locked: Mapped[bool] = mapped_column(default=False)
    avatar_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    avatar_type: Mapped[str | None]


class Profile(Entity, Base):
    __tablename__ = "profiles"
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="Organisation")
    permissions: Mapped[list[str]]
    editable: Mapped[bool] = mapped_column(default=True)


class User(Entity, Base):
    __tablename__ = "users"
    login: Mapped[str]
    name: Mapped[str]
    email: Mapped[str | None]
    kind: Mapped[str] = mapped_column(default="Normal")
    password_hash: Mapped[str | None]
    locked: Mapped[bool] = mapped_column(default=False)
    default_org_id: Mapped[int | None]
    credentials_epoch: Mapped[int] = mapped_column(default=0)
    avatar: Mapped[bytes | None] = mapped_column(LargeBinary)
    avatar_type: Mapped[str | None]


class Membership(Base):
    """What a user is in one organisation; `position` orders a user's organisations, the first is the default."""

    __tablename__ = "memberships"
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    org_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("organisations.id"), primary_key=True)
    profile_id: Mapped[int]
    position: Mapped[int] = mapped_column(default=0)


class ApiKey(Base):
    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())
    user_id: Mapped[int]
    org_id: Mapped[int | None]
    name: Mapped[str]
    prefix: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[int]
    created_by: Mapped[str]
