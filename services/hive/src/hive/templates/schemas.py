"""Case templates as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.customfields.values import InputFields, OutputCustomFieldValue
from hive.markings import Input, PapNumber, Severity, Tags, Text, TlpNumber, pap_number, tlp_number
from hive.pages.schemas import InputPage
from hive.tables import text_id
from hive.tasks.schemas import InputTask
from hive.templates.models import CaseTemplate
from waggle.contracts.vocabulary import SEVERITY_LABELS

Name = Annotated[str, Field(min_length=1, max_length=128)]
PageIds = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)]


class InputCaseTemplate(Input):
    name: Name
    display_name: Name | None = None
    title_prefix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    description: Text | None = None
    severity: Severity | None = None
    tags: Tags = Field(default_factory=list)
    flag: bool = False
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    summary: Text | None = None
    tasks: Annotated[list[InputTask], Field(max_length=1000)] = Field(default_factory=list)
    custom_fields: InputFields | None = None


class InputNewCaseTemplate(InputCaseTemplate):
    """`page_template_ids` are brought in this order, then `page_templates`, which are made."""

    page_template_ids: PageIds = Field(default_factory=list)
    page_templates: Annotated[list[InputPage], Field(max_length=100)] = Field(default_factory=list)


class InputUpdateCaseTemplate(Input):
    name: Name | None = None
    display_name: Name | None = None
    title_prefix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    description: Text | None = None
    severity: Severity | None = None
    tags: Tags | None = None
    flag: bool | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    summary: Text | None = None
    tasks: Annotated[list[InputTask], Field(max_length=1000)] | None = None
    custom_fields: InputFields | None = None
    page_template_ids: PageIds | None = None


class InputPageTemplateIds(Input):
    page_template_ids: PageIds


class OutputTemplateTask(TypedDict):
    _id: NotRequired[str]
    _type: str
    _createdBy: str
    _createdAt: int
    extraData: dict[str, Any]
    title: str
    group: str
    description: NotRequired[str]
    order: int
    mandatory: bool
    flag: bool
    status: str


class OutputCaseTemplate(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    name: str
    displayName: str
    titlePrefix: NotRequired[str]
    description: NotRequired[str]
    severity: NotRequired[int]
    severityLabel: NotRequired[str]
    tags: list[str]
    flag: bool
    tlp: NotRequired[int]
    tlpLabel: NotRequired[str]
    pap: NotRequired[int]
    papLabel: NotRequired[str]
    summary: NotRequired[str]
    customFields: list[OutputCustomFieldValue]
    tasks: list[OutputTemplateTask]
    extraData: dict[str, Any]


def _task_out(one: dict[str, Any], template: CaseTemplate) -> OutputTemplateTask:
    answer: OutputTemplateTask = {
        "_type": "Task", "_createdBy": template.created_by, "_createdAt": template.created_at, "extraData": {},
        "title": one["title"], "group": one.get("group", "default"), "order": one.get("order", 0),
        "mandatory": one.get("mandatory", False), "flag": one.get("flag", False), "status": one.get("status", "Waiting"),
    }  # fmt: skip
    if "id" in one:
        answer["_id"] = one["id"]
    if one.get("description"):
        answer["description"] = one["description"]
    return answer


def template_out(template: CaseTemplate) -> OutputCaseTemplate:
    answer: OutputCaseTemplate = {
        "_id": text_id(template.id), "_type": "CaseTemplate", "_createdBy": template.created_by,
        "_createdAt": template.created_at, "version": template.version, "name": template.name,
        "displayName": template.display_name, "tags": template.tags, "flag": template.flag,
        "customFields": [
            {"_id": f"{c['name']}:{n}", "name": c["name"], "type": c["type"], "value": c["value"], "order": c["order"]}
            for n, c in enumerate(template.custom_fields)
        ],
        "tasks": [_task_out(one, template) for one in template.tasks], "extraData": {},
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": template.updated_by, "_updatedAt": template.updated_at, "titlePrefix": template.title_prefix,
        "description": template.description, "severity": template.severity,
        "severityLabel": SEVERITY_LABELS.get(template.severity or 0), "summary": template.summary,
        "tlp": tlp_number(template.tlp) if template.tlp else None, "tlpLabel": template.tlp,
        "pap": pap_number(template.pap) if template.pap else None, "papLabel": template.pap,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
