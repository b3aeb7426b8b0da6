"""Tables of jobs, their reports, and files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cortex.tables import Base
from waggle.db.models import Stamped

ENDED = ("Success", "Failure", "Deleted")


class Blob(Base):
    """A content in the blob store. The hashes are raw bytes."""

    __tablename__ = "blobs"

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    sha1: Mapped[bytes] = mapped_column(LargeBinary)
    md5: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger)


class Attachment(Base):
    """A content under a name, in one organisation."""

    __tablename__ = "attachments"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    org_id: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(ForeignKey("blobs.sha256"))
    name: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)


class Job(Base, Stamped):
    __tablename__ = "jobs"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    org_id: Mapped[str] = mapped_column(Text)
    worker_id: Mapped[str] = mapped_column(Text)
    worker_name: Mapped[str] = mapped_column(Text)
    definition_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    data_type: Mapped[str] = mapped_column(Text)
    data: Mapped[str | None] = mapped_column(Text)
    attachment_id: Mapped[int | None] = mapped_column(ForeignKey("attachments.id"))
    tlp: Mapped[str] = mapped_column(Text)
    pap: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    label: Mapped[str | None] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    cache_tag: Mapped[bytes] = mapped_column(LargeBinary)
    reusable: Mapped[bool] = mapped_column(Boolean)
    start_date: Mapped[int | None] = mapped_column(BigInteger)
    end_date: Mapped[int | None] = mapped_column(BigInteger)
    error_message: Mapped[str | None] = mapped_column(Text)
    input: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    attempt: Mapped[int] = mapped_column(Integer)
    losses: Mapped[int] = mapped_column(Integer)
    priority: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[int | None] = mapped_column(BigInteger)
    deadline: Mapped[int | None] = mapped_column(BigInteger)


class Report(Base):
    __tablename__ = "reports"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    org_id: Mapped[str] = mapped_column(Text)
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)
    full: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    full_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    operations: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Artifact(Base):
    __tablename__ = "artifacts"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    org_id: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    data_type: Mapped[str] = mapped_column(Text)
    data: Mapped[str | None] = mapped_column(Text)
    attachment_id: Mapped[int | None] = mapped_column(ForeignKey("attachments.id"))
    tlp: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    message: Mapped[str | None] = mapped_column(Text)
