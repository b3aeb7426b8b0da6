"""Tables of contents and of the files that show them."""

from __future__ import annotations

from sqlalchemy import LargeBinary, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from hive.tables import Base, Entity


class Blob(Base):
    """A stored content, once per hash."""

    __tablename__ = "blobs"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    sha1: Mapped[str]
    md5: Mapped[str]
    size: Mapped[int]


class Attachment(Entity, Base):
    """A file of an alert, a case, a log (then with its case) or the organisation itself."""

    __tablename__ = "attachments"
    org_id: Mapped[int]
    alert_id: Mapped[int | None]
    case_id: Mapped[int | None]
    log_id: Mapped[int | None]
    name: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    sha1: Mapped[str] = column_property(select(Blob.sha1).where(Blob.sha256 == sha256).scalar_subquery())
    md5: Mapped[str] = column_property(select(Blob.md5).where(Blob.sha256 == sha256).scalar_subquery())
