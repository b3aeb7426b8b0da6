"""What can be listed and by which fields: one register per kind, in the v1 API's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, column, literal, select, table

from hive.alerts.models import Alert
from hive.analysis.models import Job
from hive.attachments.models import Attachment
from hive.cases.models import Case, CaseShare
from hive.customfields.models import CustomField
from hive.identity.models import Membership, Organisation, Profile, User
from hive.observables.models import Observable
from hive.search.filters import Condition, Field, Register
from hive.tasks.models import Log, Task
from hive.templates.models import CaseTemplate
from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS
from waggle.errors import BadRequest


@dataclass(frozen=True)
class Entity:
    """`start`: the select that lists drive from; `order` where no sort is asked; `custom`: the field of a custom field."""

    name: str
    model: Any
    register: Register
    start: Callable[[], Select[Any]]
    order: Sequence[Any] = field(default_factory=tuple)
    custom: Callable[[str], Field] | None = None


def _numbered(scale: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(scale):
            raise BadRequest(f"the marking is a number from 0 to {len(scale) - 1}")
        return scale[value]

    return read


def tlp_field(at: Any) -> Field:
    return Field(at, scale=TLP_LEVELS, read=_numbered(TLP_LEVELS))


def pap_field(at: Any) -> Field:
    return Field(at, scale=PAP_LEVELS, read=_numbered(PAP_LEVELS))


def tags_field(model: Any, side: str, parent: str) -> Field:
    """Tags: driven from the dated side rows, so that a rare tag costs nothing."""
    rows = table(side, column("tag"), column(parent))

    def having(test: Callable[[Any], Condition]) -> Condition:
        found: Condition = model.id.in_(select(rows.c[parent]).where(test(rows.c.tag)))
        return found

    return Field(model.tags, "list", having=having)


def custom_of(model: Any, side: str, parent: str) -> Callable[[str], Field]:
    """A custom field by name; the kind of value asked for picks the column."""
    rows = table(side, column("field_no"), column(parent), column("key"), column("number"))

    def custom(name: str) -> Field:
        number = select(CustomField.field_no).where(CustomField.name == name).scalar_subquery()

        def read(value: Any) -> Any:
            if isinstance(value, bool):
                return str(value).lower()
            if isinstance(value, str):
                return value[:200]
            if isinstance(value, int | float):
                return float(value)
            raise BadRequest("a custom field holds a text, a number or a boolean")

        def having(test: Callable[[Any], Condition]) -> Condition:
            chosen = test(_Either(rows.c.key, rows.c.number))
            found: Condition = model.id.in_(select(rows.c[parent]).where(rows.c.field_no == number, chosen))
            return found

        return Field(None, having=having, read=read)

    return custom


class _Either:
    """Stands for the key or the number of a value row, by the type of what it is compared with."""

    def __init__(self, key: Any, number: Any) -> None:
        self._key, self._number = key, number

    def _for(self, value: Any) -> Any:
        return self._number if isinstance(value, float) else self._key

    def __eq__(self, value: object) -> Any:
        return self._for(value) == value

    def __gt__(self, value: Any) -> Any:
        return self._for(value) > value

    def __ge__(self, value: Any) -> Any:
        return self._for(value) >= value

    def __lt__(self, value: Any) -> Any:
        return self._for(value) < value

    def __le__(self, value: Any) -> Any:
        return self._for(value) <= value

    def in_(self, values: list[Any]) -> Any:
        return self._for(values[0]).in_(values) if values else literal(False)

    def is_not(self, _: None) -> Any:
        return literal(True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    __hash__ = None  # type: ignore[assignment]


def common(model: Any) -> dict[str, Field]:
    return {
        "_id": Field(model.id, "id"), "id": Field(model.id, "id"),
        "_createdBy": Field(model.created_by), "_createdAt": Field(model.created_at, "number"),
        "_updatedBy": Field(model.updated_by), "_updatedAt": Field(model.updated_at, "number"),
        "version": Field(model.version, "number"),
    }  # fmt: skip


ALERT = Entity(
    "alert", Alert,
    {
        **common(Alert), "type": Field(Alert.type), "source": Field(Alert.source), "sourceRef": Field(Alert.source_ref),
        "title": Field(Alert.title), "description": Field(Alert.description), "severity": Field(Alert.severity, "number"),
        "date": Field(Alert.date, "number"), "tlp": tlp_field(Alert.tlp), "pap": pap_field(Alert.pap),
        "status": Field(Alert.status), "stage": Field(Alert.stage), "read": Field(Alert.read, "bool"),
        "follow": Field(Alert.follow, "bool"), "flag": Field(Alert.flag, "bool"), "caseId": Field(Alert.case_id, "id"),
        "case": Field(Alert.case_id, "id"), "assignee": Field(Alert.assignee), "user": Field(Alert.assignee),
        "externalLink": Field(Alert.external_link), "caseTemplate": Field(Alert.case_template),
        "summary": Field(Alert.summary), "observableCount": Field(Alert.observable_count, "number"),
        "newDate": Field(Alert.new_date, "number"), "inProgressDate": Field(Alert.in_progress_date, "number"),
        "closedDate": Field(Alert.closed_date, "number"), "importedDate": Field(Alert.imported_date, "number"),
        "importDate": Field(Alert.imported_date, "number"), "lastSyncDate": Field(Alert.last_sync_date, "number"),
        "imported": Field(Alert.case_id.is_not(None), "bool"), "tags": tags_field(Alert, "alert_tags", "alert_id"),
    },
    lambda: select(Alert),
    (Alert.date.desc(), Alert.id.desc()),
    custom_of(Alert, "alert_fields", "alert_id"),
)  # fmt: skip

CASE = Entity(
    "case", Case,
    {
        **common(Case), "number": Field(Case.number, "number"), "title": Field(Case.title),
        "description": Field(Case.description), "severity": Field(Case.severity, "number"),
        "startDate": Field(CaseShare.start_date, "number"), "endDate": Field(Case.end_date, "number"),
        "tlp": tlp_field(Case.tlp), "pap": pap_field(Case.pap), "status": Field(Case.status), "stage": Field(Case.stage),
        "summary": Field(Case.summary), "impactStatus": Field(Case.impact_status), "flag": Field(Case.flag, "bool"),
        "assignee": Field(Case.assignee), "newDate": Field(Case.new_date, "number"),
        "inProgressDate": Field(Case.in_progress_date, "number"), "closedDate": Field(Case.closed_date, "number"),
        "tags": tags_field(Case, "case_tags", "case_id"),
    },
    lambda: select(Case).join(CaseShare, CaseShare.case_id == Case.id),
    (CaseShare.start_date.desc(), Case.id.desc()),
    custom_of(Case, "case_fields", "case_id"),
)  # fmt: skip

TASK = Entity(
    "task", Task,
    {
        **common(Task), "title": Field(Task.title), "group": Field(Task.task_group), "description": Field(Task.description),
        "status": Field(Task.status), "flag": Field(Task.flag, "bool"), "mandatory": Field(Task.mandatory, "bool"),
        "order": Field(Task.ord, "number"), "startDate": Field(Task.start_date, "number"),
        "endDate": Field(Task.end_date, "number"), "dueDate": Field(Task.due_date, "number"),
        "assignee": Field(Task.assignee), "caseId": Field(Task.case_id, "id"),
    },
    lambda: select(Task),
    (Task.ord, Task.id),
)  # fmt: skip

LOG = Entity(
    "log", Log,
    {
        **common(Log), "message": Field(Log.message), "date": Field(Log.date, "number"),
        "includeInTimeline": Field(Log.include_in_timeline, "number"), "taskId": Field(Log.task_id, "id"),
        "owner": Field(Log.created_by),
    },
    lambda: select(Log),
    (Log.id,),
)  # fmt: skip

OBSERVABLE = Entity(
    "observable", Observable,
    {
        **common(Observable), "dataType": Field(Observable.data_type), "data": Field(Observable.data),
        "startDate": Field(Observable.created_at, "number"), "tlp": tlp_field(Observable.tlp), "pap": pap_field(Observable.pap),
        "ioc": Field(Observable.ioc, "bool"), "sighted": Field(Observable.sighted, "bool"),
        "sightedAt": Field(Observable.sighted_at, "number"), "message": Field(Observable.message),
        "ignoreSimilarity": Field(Observable.ignore_similarity, "bool"), "attachment.name": Field(Observable.file_name),
        "attachment.contentType": Field(Observable.content_type),
        "tags": tags_field(Observable, "observable_tags", "observable_id"),
    },
    lambda: select(Observable),
    (Observable.id,),
)  # fmt: skip

JOB = Entity(
    "job", Job,
    {
        **common(Job), "status": Field(Job.status), "analyzerId": Field(Job.worker_id), "analyzerName": Field(Job.worker_name),
        "cortexId": Field(Job.server), "cortexJobId": Field(Job.cortex_job_id), "startDate": Field(Job.start_date, "number"),
        "endDate": Field(Job.end_date, "number"), "observableId": Field(Job.observable_id, "id"),
    },
    lambda: select(Job),
    (Job.id.desc(),),
)  # fmt: skip

TEMPLATE = Entity(
    "case template", CaseTemplate,
    {
        **common(CaseTemplate), "name": Field(CaseTemplate.name), "displayName": Field(CaseTemplate.display_name),
        "titlePrefix": Field(CaseTemplate.title_prefix), "description": Field(CaseTemplate.description),
    },
    lambda: select(CaseTemplate),
    (CaseTemplate.name, CaseTemplate.id),
)  # fmt: skip

ATTACHMENT = Entity(
    "attachment", Attachment,
    {
        **common(Attachment), "name": Field(Attachment.name), "size": Field(Attachment.size, "number"),
        "contentType": Field(Attachment.content_type),
    },
    lambda: select(Attachment),
    (Attachment.id,),
)  # fmt: skip

ORGANISATION = Entity(
    "organisation", Organisation,
    {**common(Organisation), "name": Field(Organisation.name), "description": Field(Organisation.description)},
    lambda: select(Organisation),
    (Organisation.id,),
)  # fmt: skip

PROFILE = Entity(
    "profile", Profile,
    {**common(Profile), "name": Field(Profile.name)},
    lambda: select(Profile),
    (Profile.id,),
)  # fmt: skip

USER = Entity(
    "user", User,
    {
        **common(User), "login": Field(User.login), "name": Field(User.name), "email": Field(User.email),
        "locked": Field(User.locked, "bool"), "type": Field(User.kind),
    },
    lambda: select(User).where(User.id.in_(select(Membership.user_id))),
    (User.id,),
)  # fmt: skip
