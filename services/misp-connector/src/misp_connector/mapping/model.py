"""What the mapping gives back: an alert, its observables, and for every attribute what became of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Literal

from waggle.contracts.vocabulary import Pap, Tlp


class Reason(StrEnum):
    """Why an attribute made no observable."""

    DELETED = "deleted in MISP"
    DESCRIBED = "context, in the description"
    SKIPPED = "context, left out"
    EMPTY = "no value"
    OWN = "exported by us"


ContextPolicy = Literal["import", "describe", "skip"]


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """The settings of an instance that the mapping reads (contract misp §1.2)."""

    instance: str
    base_url: str | None
    """With one trailing slash; None for a feed in a folder."""
    feed: bool = False
    case_template: str | None = None
    alert_tags: tuple[str, ...] = ()
    observable_tags: tuple[str, ...] = ()
    context_attributes: ContextPolicy = "describe"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Content of an attachment that the connector holds; the receiver fetches it by its hash."""

    name: str
    content_type: str
    size: int
    sha256: str
    note: str = ""
    """A line for the observable's message, such as the name of the sample inside the archive."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """Why the content of an attachment is not here: its size, or the server's answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class SourceAttribute:
    """An attribute as MISP has it: what an export needs to give it back as exactly that."""

    uuid: str
    type: str
    category: str
    value: str
    to_ids: bool = False
    comment: str = ""
    object_uuid: str | None = None
    object_name: str = ""
    relation: str = ""
    first_seen: int | None = None
    """Milliseconds."""
    last_seen: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an observable came from; what makes later updates and deletions exact."""

    instance: str
    event_id: str | None
    event_uuid: str
    attribute_uuids: tuple[str, ...]
    object_uuid: str | None
    timestamp: int
    """Seconds, the attribute's own."""
    sources: tuple[SourceAttribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Observable:
    data_type: str
    data: str | None
    file: StoredFile | None
    message: str
    tags: tuple[str, ...]
    tlp: Tlp
    ioc: bool
    sighted: bool
    first_seen: int | None
    """Milliseconds."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class Procedure:
    """An ATT&CK technique that a galaxy cluster of the event names."""

    pattern_id: str
    tactic: str | None
    occur_date: int
    """Milliseconds."""
    description: str


@dataclass(frozen=True, slots=True)
class Alert:
    source: str
    source_ref: str
    title: str
    description: str
    severity: int
    date: int
    """Milliseconds, midnight UTC of the day the reporter gives."""
    tlp: Tlp
    pap: Pap
    tags: tuple[str, ...]
    external_link: str | None
    case_template: str | None
    last_sync_date: int
    """Milliseconds: the publication this alert reflects."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attribute: the observables it made, or the reason why it made none."""

    attribute_uuid: str
    object_uuid: str | None
    timestamp: int
    hash: str
    """Of everything about the attribute that reaches the alert: a different hash is a change."""
    observables: tuple[str, ...]
    """Their identities: data type, colon, folded value or content hash."""
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Mapped:
    event_uuid: str
    alert: Alert
    observables: tuple[Observable, ...]
    procedures: tuple[Procedure, ...]
    outcomes: tuple[Outcome, ...]

    def fingerprint(self) -> str:
        """Of all that the alert would show: equal means that a new publication brings nothing new."""
        shown = [
            asdict(replace(self.alert, last_sync_date=0)),
            [asdict(procedure) for procedure in self.procedures],
            sorted((outcome.attribute_uuid, outcome.hash) for outcome in self.outcomes if outcome.observables),
        ]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
