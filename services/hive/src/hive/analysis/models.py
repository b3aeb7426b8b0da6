"""Tables of Cortex servers, their workers, and what was asked of them: jobs of analyzers and actions of responders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, FetchedValue, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hive.tables import Base, Entity


class CortexServer(Entity, Base):
    """`kind` bus: one of ours, reached by messages to its name; rest: any Cortex, reached over its API."""

    __tablename__ = "cortex_servers"
    name: Mapped[str]
    kind: Mapped[str]
    url: Mapped[str | None]
    sealed_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    organisations: Mapped[list[str]]
    state: Mapped[dict[str, Any]]


class Worker(Base):
    """An analyzer or responder that a server has: a cache of the server's own list."""

    __tablename__ = "workers"
    server_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    worker_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    description: Mapped[str]
    kind: Mapped[str]
    data_types: Mapped[list[str]]
    max_tlp: Mapped[str | None]
    max_pap: Mapped[str | None]


class Run(Entity):
    """One run of a worker. An ended run never changes.

    `org_id` is the organisation of the object, `asking_org_id` the one it was asked for (a receiver of the case, perhaps).
    `next_poll_at`, `attempts` and `failures` (in a row) belong to the polling of remote servers.
    """

    org_id: Mapped[int]
    asking_org_id: Mapped[int]
    case_id: Mapped[int | None]
    alert_id: Mapped[int | None]
    server: Mapped[str]
    worker_id: Mapped[str]
    worker_name: Mapped[str]
    definition: Mapped[str]
    status: Mapped[str]
    cortex_job_id: Mapped[str | None]
    parameters: Mapped[dict[str, Any]]
    start_date: Mapped[int]
    end_date: Mapped[int | None]
    error: Mapped[str | None]
    operations: Mapped[list[Any]]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    next_poll_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON, deferred=True)
    report_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)


class Job(Run, Base):
    """One analysis of one observable."""

    __tablename__ = "jobs"
    observable_id: Mapped[int]


class Action(Run, Base):
    """One responder's work on an object; the ids of the object and of what it hangs on are set."""

    __tablename__ = "actions"
    object_kind: Mapped[str]
    object_id: Mapped[int]
    task_id: Mapped[int | None]
    log_id: Mapped[int | None]
    observable_id: Mapped[int | None]
    tlp: Mapped[str]
    pap: Mapped[str]


class JobArtifact(Base):
    """An observable that a report found; not an observable until an analyst imports it."""

    __tablename__ = "job_artifacts"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())
    org_id: Mapped[int]
    job_id: Mapped[int]
    data_type: Mapped[str]
    data: Mapped[str | None]
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    file_name: Mapped[str | None]
    content_type: Mapped[str | None]
    size: Mapped[int | None]
    tlp: Mapped[str]
    tags: Mapped[list[str]]
    message: Mapped[str | None]
    imported_id: Mapped[int | None]
