"""Exchange with MISP: exports, sightings, polls, and how the instances are."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from uuid import UUID

from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.base import Audience, FileRef, Message, Milliseconds, PapWord, Service, Severity, TlpWord, Value

Export = Literal["created", "updated", "unchanged", "rejected", "skipped", "held"]


class ExportFile(FileRef):
    """A file with the hashes that a MISP file object names."""

    md5: str
    sha1: str


class ExportObservable(Value):
    """One observable of the case; text or file. RED ones are never among them."""

    id: str
    data_type: str
    data: str | None = None
    file: ExportFile | None = None
    tlp: TlpWord
    ioc: bool
    tags: tuple[str, ...] = ()
    message: str | None = None
    first_seen: Milliseconds | None = None
    sighted_at: Milliseconds | None = None
    origin: dict[str, Any] | None = None


class ExportHeld(Value):
    """An observable that does not leave hive, named without its value."""

    observable_id: str
    reason: str


class ExportTechnique(Value):
    """An ATT&CK technique of the case."""

    pattern_id: str
    name: str


class ExportSource(Value):
    """A MISP event that the case came from."""

    instance: str
    event: UUID


class ExportedCase(Value):
    """What `CaseExportRequested.case_ref` names: the case as it stood at the request.

    `namespace` belongs to the hive installation: UUIDs made in it never meet another hive's.
    """

    namespace: UUID
    event_uuid: UUID
    case_id: str
    number: int
    title: str
    severity: Severity
    tlp: TlpWord
    pap: PapWord
    start_date: Milliseconds
    stage: str
    tags: tuple[str, ...] = ()
    version: int
    link: str
    observables: tuple[ExportObservable, ...] = ()
    held: tuple[ExportHeld, ...] = ()
    techniques: tuple[ExportTechnique, ...] = ()
    sources: tuple[ExportSource, ...] = ()


class CaseExportRequested(Message):
    """`case_ref` names an `ExportedCase`; the connector fetches it from hive. `publish`: as the instance is set, if absent."""

    type = "case.export.requested.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    case_id: str
    instance: str
    case_ref: DataRef
    publish: bool | None = None


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
    strategy: Literal["create", "edit", "extend"] = "create"
    published: bool = False
    warnings: tuple[str, ...] = ()
    """What MISP did not take although the event was stored, such as a tag its role may not make."""
    results: tuple[ExportResult, ...] = ()
    held: tuple[str, ...] = ()
    """Observables held back; `results` gives the reason of each."""


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


class MispReceiverUnknown(Message):
    """An alert was for an organisation that hive does not have: whoever set the instance named it wrongly."""

    type = "misp.receiver_unknown.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    organisation: str


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
