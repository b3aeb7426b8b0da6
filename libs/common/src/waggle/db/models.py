"""What the tables of every service have in common, for their SQLAlchemy models."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column


class Stamped:
    """[std] of the data model: who made and changed a row and when (ms), and its version, raised by every update."""

    created_at: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[int | None] = mapped_column(BigInteger, default=None)
    updated_by: Mapped[str | None] = mapped_column(Text, default=None)
    version: Mapped[int] = mapped_column(Integer, default=1)
