"""Cases as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.cases.models import Case
from hive.customfields.values import InputFields, OutputCustomFieldValue, fields_out
from hive.identity.caller import Caller
from hive.markings import Input, Millis, PapNumber, Severity, Tags, Text, TlpNumber, pap_number, tlp_number
from hive.tables import text_id
from hive.tasks.schemas import InputTask
from waggle.contracts.vocabulary import SEVERITY_LABELS

Title = Annotated[str, Field(min_length=1, max_length=512)]
Status = Annotated[str, Field(min_length=1, max_length=64)]
Login = Annotated[str, Field(max_length=128)]
ImpactStatus = Literal["NotApplicable", "WithImpact", "NoImpact"]


class InputPromoteAlert(Input):
    """What is given overrides what the alert would provide."""

    title: Title | None = None
    description: Text | None = None
    severity: Severity | None = None
    start_date: Millis | None = None
    end_date: Millis | None = None
    tags: Tags | None = None
    flag: bool | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    status: Status | None = None
    summary: Text | None = None
    assignee: Login | None = None
    custom_fields: InputFields | None = None
    case_template: Annotated[str, Field(max_length=128)] | None = None
    tasks: Annotated[list[InputTask], Field(max_length=1000)] | None = None


class InputCase(InputPromoteAlert):
    title: Title
    description: Text


class InputUpdateCase(Input):
    title: Title | None = None
    description: Text | None = None
    severity: Severity | None = None
    start_date: Millis | None = None
    end_date: Millis | None = None
    tags: Tags | None = None
    add_tags: Tags | None = None
    remove_tags: Tags | None = None
    flag: bool | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    status: Status | None = None
    summary: Text | None = None
    assignee: Login | None = None
    impact_status: ImpactStatus | None = None
    custom_fields: InputFields | None = None


class OrganisationAccess(TypedDict):
    _kind: Literal["OrganisationAccessKind", "UserAccessKind", "ExternalAccessKind", "AllExternalAccessKind"]


class OutputCase(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    number: int
    title: str
    description: str
    severity: int
    severityLabel: str
    startDate: int
    endDate: NotRequired[int]
    tags: list[str]
    flag: bool
    tlp: int
    tlpLabel: str
    pap: int
    papLabel: str
    status: str
    stage: str
    summary: NotRequired[str]
    impactStatus: NotRequired[str]
    assignee: NotRequired[str]
    access: OrganisationAccess
    customFields: list[OutputCustomFieldValue]
    userPermissions: list[str]
    extraData: dict[str, Any]
    newDate: int
    inProgressDate: NotRequired[int]
    closedDate: NotRequired[int]
    alertDate: NotRequired[int]
    alertNewDate: NotRequired[int]
    alertInProgressDate: NotRequired[int]
    alertImportedDate: NotRequired[int]
    timeToDetect: int
    timeToTriage: NotRequired[int]
    timeToQualify: NotRequired[int]
    timeToAcknowledge: NotRequired[int]
    timeToResolve: NotRequired[int]
    handlingDuration: NotRequired[int]


KINDS: dict[str, Literal["OrganisationAccessKind", "UserAccessKind", "ExternalAccessKind", "AllExternalAccessKind"]] = {
    "organisation": "OrganisationAccessKind",
    "users": "UserAccessKind",
    "external": "ExternalAccessKind",
    "all_external": "AllExternalAccessKind",
}


def _between(later: int | None, earlier: int | None) -> int | None:
    return None if later is None or earlier is None else max(0, later - earlier)


def durations(case: Case) -> dict[str, int | None]:
    """Key figures in ms, only where both ends exist (hive-v1 §5.3)."""
    began = [d for d in (case.alert_in_progress_date, case.in_progress_date) if d is not None]
    qualified = _between(case.alert_imported_date, case.alert_new_date)
    return {
        "timeToTriage": _between(case.in_progress_date, case.new_date),
        "timeToQualify": qualified,
        "timeToAcknowledge": _between(case.in_progress_date, case.start_date),
        "timeToResolve": _between(case.end_date, min(began)) if began else None,
        "handlingDuration": _between(case.end_date, case.created_at),
    }


def case_out(case: Case, caller: Caller) -> OutputCase:
    detected = (
        _between(case.alert_new_date, case.alert_date) if case.alert_date is not None else max(0, case.new_date - case.start_date)
    )
    answer: OutputCase = {
        "_id": text_id(case.id), "_type": "Case", "_createdBy": case.created_by, "_createdAt": case.created_at,
        "version": case.version, "number": case.number, "title": case.title, "description": case.description,
        "severity": case.severity, "severityLabel": SEVERITY_LABELS[case.severity], "startDate": case.start_date,
        "tags": case.tags, "flag": case.flag, "tlp": tlp_number(case.tlp), "tlpLabel": case.tlp,
        "pap": pap_number(case.pap), "papLabel": case.pap, "status": case.status, "stage": case.stage,
        "access": {"_kind": KINDS[case.access]}, "customFields": fields_out(case.custom_fields),
        "userPermissions": sorted(caller.permissions), "extraData": {}, "newDate": case.new_date,
        "timeToDetect": detected or 0,
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": case.updated_by, "_updatedAt": case.updated_at, "endDate": case.end_date, "summary": case.summary,
        "impactStatus": case.impact_status, "assignee": case.assignee, "inProgressDate": case.in_progress_date,
        "closedDate": case.closed_date, "alertDate": case.alert_date, "alertNewDate": case.alert_new_date,
        "alertInProgressDate": case.alert_in_progress_date, "alertImportedDate": case.alert_imported_date,
        **durations(case),
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
