"""Cases: what hive tells about them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.base import Audience, Message, Service, Severity, TlpWord


class CaseChange(Message):
    """How a case stands after a change."""

    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "any"

    id: str
    number: int
    title: str
    severity: Severity
    tlp: TlpWord
    status: str
    stage: str
    changed: tuple[str, ...] = Field(default=(), description="names of the changed fields")
    merged_into: str | None = None


class CaseCreated(CaseChange):
    type = "case.created.v1"


class CaseUpdated(CaseChange):
    type = "case.updated.v1"


class CaseClosed(CaseChange):
    type = "case.closed.v1"


class CaseMerged(CaseChange):
    """The case's content lives on in `merged_into`."""

    type = "case.merged.v1"


class CaseDeleted(CaseChange):
    type = "case.deleted.v1"


class CaseIocsChanged(Message):
    """The IOCs of a case that is exported to these instances changed; sent once per burst of changes.

    `case_ref` names the `ExportedCase`, for instances that are set to be kept up to date.
    """

    type = "case.iocs_changed.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "misp-connector"

    case_id: str
    instances: tuple[str, ...]
    case_ref: DataRef
