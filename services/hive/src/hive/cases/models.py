"""Tables of cases and of who has them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, FetchedValue, Integer, SmallInteger, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.identity.models import User
from hive.tables import Base, Entity


class Case(Entity, Base):
    __tablename__ = "cases"
    org_id: Mapped[int]
    number: Mapped[int] = mapped_column(Integer, FetchedValue())
    title: Mapped[str]
    description: Mapped[str]
    severity: Mapped[int] = mapped_column(SmallInteger)
    tlp: Mapped[str]
    pap: Mapped[str]
    start_date: Mapped[int]
    end_date: Mapped[int | None]
    status: Mapped[str]
    stage: Mapped[str]
    resolution: Mapped[str | None]
    impact_status: Mapped[str | None]
    summary: Mapped[str | None]
    flag: Mapped[bool] = mapped_column(default=False)
    assignee_id: Mapped[int | None] = mapped_column()
    access: Mapped[str] = mapped_column(default="organisation")
    tags: Mapped[list[str]]
    custom_fields: Mapped[list[dict[str, Any]]]
    new_date: Mapped[int]
    in_progress_date: Mapped[int | None]
    closed_date: Mapped[int | None]
    alert_date: Mapped[int | None]
    alert_new_date: Mapped[int | None]
    alert_in_progress_date: Mapped[int | None]
    alert_imported_date: Mapped[int | None]
    template_name: Mapped[str | None]
    merged_into: Mapped[int | None]
    assignee: Mapped[str | None] = column_property(select(User.login).where(User.id == assignee_id).scalar_subquery())


class CaseShare(Base):
    """An organisation that has a case; exactly one of them owns it. Case lists are driven from here."""

    __tablename__ = "case_shares"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())
    case_id: Mapped[int]
    org_id: Mapped[int]
    owner: Mapped[bool]
    profile_id: Mapped[int]
    task_rule: Mapped[str]
    observable_rule: Mapped[str]
    start_date: Mapped[int]
