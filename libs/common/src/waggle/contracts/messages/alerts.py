"""Alerts: raised by a source, changed in hive."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from waggle.contracts.messages.base import (
    Audience,
    Content,
    Message,
    Milliseconds,
    PapWord,
    Service,
    Severity,
    TlpWord,
    Value,
)


class RaisedAlert(Value):
    """The alert a source tells of. `last_sync_date` is the event's publish time: an older one changes nothing."""

    type: str
    source: str
    source_ref: str
    title: str
    description: str = ""
    severity: Severity = 2
    date: Milliseconds
    tlp: TlpWord = "AMBER"
    pap: PapWord = "AMBER"
    tags: tuple[str, ...] = ()
    external_link: str | None = None
    case_template: str | None = None
    last_sync_date: Milliseconds


class RaisedObservable(Content):
    message: str | None = None
    tags: tuple[str, ...] = ()
    tlp: TlpWord | None = Field(default=None, description="absent: the alert's")
    ioc: bool = False
    sighted: bool = False
    first_seen: Milliseconds | None = None
    origin: dict[str, Any] | None = Field(default=None, description="instance, event, attribute and object UUIDs in MISP")


class RaisedProcedure(Value):
    """An ATT&CK technique the source names."""

    pattern_id: str
    tactic: str | None = None
    description: str = ""
    occur_date: Milliseconds | None = None


class AlertRaised(Message):
    """`complete`: the observables are all of the event's; otherwise only what was added or changed, `removed` what went.

    `case_id`: the event is that case's own export, to which others added; it makes no alert, and the news is offered there.
    """

    type = "alert.raised.v1"
    sender: ClassVar[Service] = "misp-connector"
    audience: ClassVar[Audience] = "hive"

    alert: RaisedAlert
    observables: tuple[RaisedObservable, ...] = ()
    procedures: tuple[RaisedProcedure, ...] = ()
    removed: tuple[UUID, ...] = Field(default=(), description="attributes gone from the event since its last publish")
    complete: bool = True
    case_id: str | None = None


class AlertSourceGone(Message):
    """Events that were deleted at their source."""

    type = "alert.source_gone.v1"
    sender: ClassVar[Service] = "misp-connector"
    audience: ClassVar[Audience] = "hive"

    instance: str
    event_uuids: tuple[UUID, ...]


class AlertChange(Message):
    """How an alert stands after a change. Observables are not carried: who needs them asks hive."""

    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "any"

    id: str
    alert_type: str = Field(alias="type")
    source: str
    source_ref: str
    title: str
    severity: Severity
    tlp: TlpWord
    status: str
    stage: str
    case_id: str | None = None
    changed: tuple[str, ...] = Field(default=(), description="names of the changed fields")


class AlertCreated(AlertChange):
    type = "alert.created.v1"


class AlertUpdated(AlertChange):
    type = "alert.updated.v1"


class AlertImported(AlertChange):
    """The alert became a case or part of one."""

    type = "alert.imported.v1"


class AlertDeleted(AlertChange):
    type = "alert.deleted.v1"
