"""Tables of tasks and logs."""

from __future__ import annotations

from sqlalchemy import Integer, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.identity.models import User
from hive.tables import Base, Entity


class Task(Entity, Base):
    __tablename__ = "tasks"
    org_id: Mapped[int]
    case_id: Mapped[int]
    title: Mapped[str]
    task_group: Mapped[str] = mapped_column(default="default")
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="Waiting")
    flag: Mapped[bool] = mapped_column(default=False)
    mandatory: Mapped[bool] = mapped_column(default=False)
    ord: Mapped[int] = mapped_column(Integer, default=0)
    start_date: Mapped[int | None]
    end_date: Mapped[int | None]
    due_date: Mapped[int | None]
    assignee_id: Mapped[int | None] = mapped_column()
    assignee: Mapped[str | None] = column_property(select(User.login).where(User.id == assignee_id).scalar_subquery())


class Log(Entity, Base):
    __tablename__ = "logs"
    org_id: Mapped[int]
    task_id: Mapped[int]
    case_id: Mapped[int]
    message: Mapped[str]
    date: Mapped[int]
    include_in_timeline: Mapped[int | None]
