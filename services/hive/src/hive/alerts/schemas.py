"""Alerts as the v1 API takes and shows them (contracts hive-v1 §3)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.alerts.models import Alert
from hive.customfields.values import InputFields, OutputCustomFieldValue, fields_out
from hive.markings import Input, Millis, PapNumber, Severity, Tags, Text, TlpNumber, pap_number, tlp_number
from hive.observables.schemas import InputObservable
from hive.procedures.schemas import InputProcedure
from hive.tables import text_id
from waggle.contracts.vocabulary import SEVERITY_LABELS

Type = Annotated[str, Field(min_length=1, max_length=32)]
SourceRef = Annotated[str, Field(min_length=1, max_length=128)]
Title = Annotated[str, Field(min_length=1, max_length=512)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Link = Annotated[str, Field(min_length=1, max_length=4096)]


class InputAlert(Input):
    type: Type
    source: Type
    source_ref: SourceRef
    title: Title
    description: Text
    external_link: Link | None = None
    severity: Severity = 2
    date: Millis | None = None
    tags: Tags = Field(default_factory=list)
    flag: bool = False
    tlp: TlpNumber = 2
    pap: PapNumber = 2
    custom_fields: InputFields | None = None
    summary: Text | None = None
    status: Name | None = None
    assignee: Annotated[str, Field(max_length=128)] | None = None
    case_template: Annotated[str, Field(max_length=128)] | None = None
    observables: Annotated[list[InputObservable], Field(max_length=10_000)] = Field(default_factory=list)
    procedures: Annotated[list[InputProcedure], Field(max_length=1000)] = Field(default_factory=list)


class InputAlerts(Input):
    """A batch: at most 1,000 alerts, each answered for itself."""

    alerts: Annotated[list[InputAlert], Field(min_length=1, max_length=1000)]


class InputMerges(Input):
    case_id: Annotated[str, Field(max_length=64)] | Annotated[int, Field(ge=0, lt=2**31)]
    alert_ids: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)]


class InputUpdateAlert(Input):
    type: Type | None = None
    source: Type | None = None
    source_ref: SourceRef | None = None
    external_link: Link | None = None
    title: Title | None = None
    description: Text | None = None
    severity: Severity | None = None
    date: Millis | None = None
    last_sync_date: Millis | None = None
    tags: Tags | None = None
    add_tags: Tags | None = None
    remove_tags: Tags | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    follow: bool | None = None
    custom_fields: InputFields | None = None
    status: Name | None = None
    summary: Text | None = None
    assignee: Annotated[str, Field(max_length=128)] | None = None


class InputAlertIds(Input):
    ids: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1000)]


class InputBulkUpdateAlert(InputUpdateAlert):
    """The same change to every alert of `ids`."""

    ids: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1000)]

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in super().given().items() if name != "ids"}


class OutputAlert(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    type: str
    source: str
    sourceRef: str
    externalLink: NotRequired[str]
    title: str
    description: str
    severity: int
    severityLabel: str
    date: int
    tags: list[str]
    tlp: int
    tlpLabel: str
    pap: int
    papLabel: str
    follow: bool
    read: bool
    customFields: list[OutputCustomFieldValue]
    caseTemplate: NotRequired[str]
    observableCount: int
    caseId: NotRequired[str]
    status: str
    stage: str
    assignee: NotRequired[str]
    summary: NotRequired[str]
    extraData: dict[str, Any]
    newDate: int
    inProgressDate: NotRequired[int]
    closedDate: NotRequired[int]
    importedDate: NotRequired[int]
    lastSyncDate: NotRequired[int]
    timeToDetect: int
    timeToTriage: NotRequired[int]
    timeToQualify: NotRequired[int]
    timeToAcknowledge: NotRequired[int]


def between(later: int | None, earlier: int | None) -> int | None:
    """A duration in ms, only when both ends exist; never negative (a clock may jump back)."""
    return None if later is None or earlier is None else max(0, later - earlier)


def alert_out(alert: Alert) -> OutputAlert:
    qualified = max((d for d in (alert.imported_date, alert.closed_date) if d is not None), default=None)
    answer: OutputAlert = {
        "_id": text_id(alert.id), "_type": "Alert", "_createdBy": alert.created_by, "_createdAt": alert.created_at,
        "version": alert.version, "type": alert.type, "source": alert.source, "sourceRef": alert.source_ref,
        "title": alert.title, "description": alert.description, "severity": alert.severity,
        "severityLabel": SEVERITY_LABELS[alert.severity], "date": alert.date, "tags": alert.tags,
        "tlp": tlp_number(alert.tlp), "tlpLabel": alert.tlp, "pap": pap_number(alert.pap), "papLabel": alert.pap,
        "follow": alert.follow, "read": alert.read, "customFields": fields_out(alert.custom_fields),
        "observableCount": alert.observable_count, "status": alert.status, "stage": alert.stage, "extraData": {},
        "newDate": alert.new_date, "timeToDetect": max(0, alert.new_date - alert.date),
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": alert.updated_by, "_updatedAt": alert.updated_at, "externalLink": alert.external_link,
        "caseTemplate": alert.case_template, "caseId": text_id(alert.case_id) if alert.case_id else None,
        "assignee": alert.assignee, "summary": alert.summary, "inProgressDate": alert.in_progress_date,
        "closedDate": alert.closed_date, "importedDate": alert.imported_date, "lastSyncDate": alert.last_sync_date,
        "timeToTriage": between(alert.in_progress_date, alert.new_date),
        "timeToQualify": between(qualified, alert.new_date),
        "timeToAcknowledge": between(alert.in_progress_date, alert.date),
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
