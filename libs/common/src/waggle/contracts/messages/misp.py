"""Exchange with MISP: exports, sightings, polls, and how the instances are."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.base import Audience, Message, Milliseconds, Service, Value

Export = Literal["created", "updated", "unchanged", "rejected", "skipped", "held"]


class CaseExportRequested(Message):
    """`case_ref` names the case with its IOCs as they stood at the request; the connector fetches it from hive."""

    type = "case.export.requested.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    case_id: str
    instance: str
    case_ref: DataRef
    options: dict[str, Any] = Field(default_factory=dict)


class ExportResult(Value):
    """What became of one observable."""

    observable_id: str
    result: Export
    reason: str | None = None


class CaseExported(Message):
    type = "case.exported.v1"
    sender: ClassVar[Service] = "misp-connector"
    audience: ClassVar[Audience] = "hive"

    case_id: str
    instance: str
    event_uuid: UUID
    event_id: str | None = None
    results: tuple[ExportResult, ...] = ()
    held: tuple[str, ...] = ()
    """Observables held back by their marking."""


class CaseExportFailed(Message):
    type = "case.export.failed.v1"
    sender: ClassVar[Service] = "misp-connector"
    audience: ClassVar[Audience] = "hive"

    case_id: str
    instance: str
    error: str
    retryable: bool


class SightingReported(Message):
    """An analyst saw this value."""

    type = "sighting.reported.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    value: str
    data_type: str
    at: Milliseconds
    origin: dict[str, Any] | None = None


class MispPollRequested(Message):
    """Poll now; without `instance`, all of them."""

    type = "misp.poll_requested.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    instance: str | None = None
    since: Milliseconds | None = None


class MispInstanceChanged(Message):
    """How an instance is configured and how its last poll went."""

    type = "misp.instance_changed.v1"
    sender: ClassVar[Service] = "misp-connector"
    audience: ClassVar[Audience] = "hive"

    name: str
    url: str
    purpose: str
    status: str
    version: str | None = None
    last_ok: Milliseconds | None = None
    last_error: str | None = None
