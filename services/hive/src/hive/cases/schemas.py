"""Cases as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.cases.models import Case
from hive.customfields.values import InputFields, OutputCustomFieldValue, fields_out
from hive.identity.caller import Caller
from hive.markings import Input, Millis, PapNumber, Severity, Tags, Text, TlpNumber, pap_number, tlp_number
from hive.pages.schemas import InputPage
from hive.tables import text_id
from hive.tasks.schemas import InputTask
from waggle.contracts.vocabulary import SEVERITY_LABELS

Title = Annotated[str, Field(min_length=1, max_length=512)]
Status = Annotated[str, Field(min_length=1, max_length=64)]
Login = Annotated[str, Field(max_length=128)]
ImpactStatus = Literal["NotApplicable", "WithImpact", "NoImpact"]


AccessKind = Literal["OrganisationAccessKind", "UserAccessKind", "ExternalAccessKind", "AllExternalAccessKind"]
Rule = Literal["manual", "autoShare"]
Organisation = Annotated[str, Field(min_length=1, max_length=64)]


KINDS: dict[str, AccessKind] = {
    "organisation": "OrganisationAccessKind",
    "users": "UserAccessKind",
    "external": "ExternalAccessKind",
    "all_external": "AllExternalAccessKind",
}


class InputAccess(Input):
    """Who sees a case, within the organisations that have it. `users`: logins, for the kinds that name some."""

    kind: Annotated[AccessKind, Field(alias="_kind")]
    users: Annotated[list[Login], Field(max_length=1000)] | None = None

    @property
    def word(self) -> str:
        return next(word for word, kind in KINDS.items() if kind == self.kind)


class InputSetAccess(Input):
    access: InputAccess


class InputAccessOfMany(Input):
    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]
    access: InputAccess


class InputShare(Input):
    """`share` false: named, and not shared with."""

    organisation: Organisation
    share: bool = True
    profile: Organisation = "analyst"
    task_rule: Rule | None = None
    observable_rule: Rule | None = None


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
    pages: Annotated[list[InputPage], Field(max_length=1000)] | None = None
    access: InputAccess | None = None
    sharing_parameters: Annotated[list[InputShare], Field(max_length=1000)] | None = None
    task_rule: Rule | None = None
    observable_rule: Rule | None = None


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
    task_rule: Rule | None = None
    observable_rule: Rule | None = None


class InputBulkUpdateCase(InputUpdateCase):
    """The same change to every case of `ids`."""

    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in super().given().items() if name != "ids"}


class OutputAccess(TypedDict):
    _kind: AccessKind
    users: NotRequired[list[str]]


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
    access: OutputAccess
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


def access_out(case: Case) -> OutputAccess:
    shown: OutputAccess = {"_kind": KINDS[case.access]}
    if case.access in ("users", "external"):
        shown["users"] = case.readers or []
    return shown


def permissions_on(case: Case, caller: Caller) -> list[str]:
    """What the caller may do here: their own permissions, within those of the share where the case is another organisation's."""
    if case.org_id == caller.org_id:
        return sorted(caller.permissions)
    return sorted(caller.permissions & set(case.shared_permissions or ()))


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
        "access": access_out(case), "customFields": fields_out(case.custom_fields),
        "userPermissions": permissions_on(case, caller), "extraData": {}, "newDate": case.new_date,
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
