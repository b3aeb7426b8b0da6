"""Tables of cases and of who has them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, FetchedValue, Integer, SmallInteger, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.identity.models import Profile, User
from hive.tables import Base, Entity


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


class CaseReader(Base):
    """Who may see a case whose access is restricted to named users."""

    __tablename__ = "case_readers"
    case_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Case(Entity, Base):
    """`merged_into`: the content lives on there, and this is a shell that only the classic API shows. `shared_permissions`:
    what the share of the asking organisation allows. `readers`: logins, null where access is not restricted."""

    __tablename__ = "cases"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())
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
    shared_permissions: Mapped[list[str] | None] = column_property(
        select(Profile.permissions)
        .where(CaseShare.case_id == id, CaseShare.org_id == func.waggle_org(), CaseShare.profile_id == Profile.id)
        .scalar_subquery()
    )
    readers: Mapped[list[str] | None] = column_property(
        select(func.array_agg(aggregate_order_by(User.login, User.login), type_=ARRAY(Text)))
        .where(CaseReader.case_id == id, CaseReader.user_id == User.id)
        .scalar_subquery()
    )
