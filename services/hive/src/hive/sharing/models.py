"""Who has a case, as far as the caller may know: a view that the database's owner keeps."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base


class Share(Base):
    """An organisation that has a case; exactly one owns it. Read only; `created_at` (ms) and `created_by` are the case's."""

    __tablename__ = "visible_shares"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    case_id: Mapped[int]
    org_id: Mapped[int]
    owner: Mapped[bool]
    task_rule: Mapped[str]
    observable_rule: Mapped[str]
    organisation: Mapped[str]
    profile: Mapped[str]
    case_number: Mapped[int]
    created_at: Mapped[int]
    created_by: Mapped[str]
