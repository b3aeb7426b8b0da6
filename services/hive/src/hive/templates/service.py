"""Finding templates and what they bring to a case."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.customfields.values import FieldValue, fitting
from hive.identity.caller import Caller
from hive.markings import unique
from hive.tables import number_of
from hive.tasks.service import TaskDraft
from hive.templates.models import CaseTemplate
from waggle.errors import CreateError, NotFound
from waggle.ids import now_ms

TASK_FIELDS = {f.name for f in fields(TaskDraft)}


async def lookup(session: AsyncSession, reference: str) -> CaseTemplate | None:
    """The organisation's template of an id or name."""
    return await session.scalar(
        select(CaseTemplate).where(or_(CaseTemplate.id == number_of(reference), CaseTemplate.name == reference))
    )


async def find(session: AsyncSession, reference: str) -> CaseTemplate:
    found = await lookup(session, reference)
    if found is None:
        raise NotFound(f"CaseTemplate {reference[:200]} not found")
    return found


async def create(session: AsyncSession, caller: Caller, template: CaseTemplate) -> CaseTemplate:
    """Raises CreateError when the organisation has one of that name."""
    if await session.scalar(select(CaseTemplate.id).where(CaseTemplate.name == template.name)):
        raise CreateError(f"CaseTemplate {template.name} already exist in organisation {caller.organisation}")
    template.org_id, template.created_at, template.created_by = caller.org_id, now_ms(), caller.login
    session.add(template)
    await session.flush()
    root = Root("organisation", caller.org_id)
    details = {"name": template.name, "displayName": template.display_name}
    await record(session, caller, action="create", kind="caseTemplate", object_id=template.id, root=root, details=details)
    await session.refresh(template)
    return template


def tasks_of(template: CaseTemplate) -> list[TaskDraft]:
    return [TaskDraft(**{k: v for k, v in one.items() if k in TASK_FIELDS}) for one in template.tasks]


def fields_of(template: CaseTemplate, catalogue: Catalogue) -> list[FieldValue]:
    """The template's values; a field whose definition is gone by now is left out."""
    return [
        FieldValue(definition, fitting(definition, one.get("value")), one.get("order", 0))
        for one in template.custom_fields
        if (definition := catalogue.fields.get(one["name"])) is not None
    ]


def applied(draft: CaseDraft, template: CaseTemplate, catalogue: Catalogue, *, given: set[str], unite_tags: bool) -> CaseDraft:
    """The draft with what the template brings.

    `given`: names of draft fields the request set itself; they win. `unite_tags`: the template's tags are added to the draft's
    (promotion, classic API); else they are used only where none were given (hive-v1 §5.4).
    """
    prefix = template.title_prefix or ""
    joint = "" if not prefix or prefix[-1].isspace() else " "
    changes: dict[str, Any] = {"title": f"{prefix}{joint}{draft.title}", "template_name": template.name}
    for name in ("description", "severity", "tlp", "pap", "flag", "summary"):
        value = getattr(template, name)
        if value is not None and name not in given:
            changes[name] = value
    if unite_tags or "tags" not in given:
        changes["tags"] = unique([*draft.tags, *template.tags])
    if "tasks" not in given:
        changes["tasks"] = [*tasks_of(template), *draft.tasks]
    present = {value.definition.name for value in draft.fields}
    extra = [v for v in fields_of(template, catalogue) if v.definition.name not in present]
    changes["fields"] = [*draft.fields, *extra]
    return replace(draft, **changes)
