"""Finding templates and what they bring to a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import delete, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Action, Root, record
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.customfields.values import FieldValue, fitting
from hive.identity.caller import Caller
from hive.markings import unique
from hive.pages.models import CaseTemplatePage, PageTemplate
from hive.tables import number_of, text_id, touch
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


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> CaseTemplate:
    """Raises NotFound."""
    found = await lookup(session, reference)
    if found is not None and for_update:
        await session.refresh(found, with_for_update=True)
    if found is None:
        raise NotFound(f"CaseTemplate {reference[:200]} not found")
    return found


async def create(session: AsyncSession, caller: Caller, template: CaseTemplate) -> CaseTemplate:
    """Raises CreateError when the organisation has one of that name."""
    if await session.scalar(select(CaseTemplate.id).where(CaseTemplate.name == template.name)):
        raise CreateError(f"CaseTemplate {template.name} already exist in organisation {caller.organisation}")
    template.org_id, template.created_at, template.created_by = caller.org_id, now_ms(), caller.login
    template.tasks = await numbered(session, template.tasks)
    session.add(template)
    await session.flush()
    await _record(session, caller, template, "create", {"name": template.name, "displayName": template.display_name})
    await session.refresh(template)
    return template


async def numbered(session: AsyncSession, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stored tasks, each with an id by which it can be named when the template is applied."""
    return [
        one if "id" in one else {"id": text_id(await session.scalar(text("SELECT nextval('entity_id')"))), **one} for one in tasks
    ]


async def change(session: AsyncSession, caller: Caller, template: CaseTemplate, columns: Mapping[str, Any]) -> None:
    """Applies changes by column name to a template locked by this transaction. Raises CreateError for a name that is taken."""
    changed = {name: value for name, value in columns.items() if getattr(template, name) != value}
    if "name" in changed:
        taken = CaseTemplate.name == changed["name"], CaseTemplate.id != template.id
        if await session.scalar(select(CaseTemplate.id).where(*taken)):
            raise CreateError(f"CaseTemplate {changed['name']} already exist in organisation {caller.organisation}")
    if "tasks" in changed:
        changed["tasks"] = await numbered(session, changed["tasks"])
    if not changed:
        return
    for name, value in changed.items():
        setattr(template, name, value)
    touch(template, caller.login)
    await session.flush()
    await _record(session, caller, template, "update", {to_camel(name): value for name, value in changed.items()})


async def remove(session: AsyncSession, caller: Caller, template: CaseTemplate) -> None:
    """Cases made from it keep what it brought."""
    await session.delete(template)
    await session.flush()
    await _record(session, caller, template, "delete", {"name": template.name})


async def link_pages(session: AsyncSession, caller: Caller, template: CaseTemplate, pages: Sequence[PageTemplate]) -> None:
    """The template brings these pages and no others, in this order."""
    await session.execute(delete(CaseTemplatePage).where(CaseTemplatePage.template_id == template.id))
    session.add_all(
        CaseTemplatePage(org_id=template.org_id, template_id=template.id, page_template_id=page.id, ord=position)
        for position, page in enumerate(pages)
    )
    await session.flush()
    await _record(session, caller, template, "update", {"pageTemplateIds": [text_id(page.id) for page in pages]})


async def _record(
    session: AsyncSession, caller: Caller, template: CaseTemplate, action: Action, details: Mapping[str, Any]
) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind="caseTemplate", object_id=template.id, root=root, details=details)


def task_of(stored: dict[str, Any]) -> TaskDraft:
    return TaskDraft(**{k: v for k, v in stored.items() if k in TASK_FIELDS})


def tasks_of(template: CaseTemplate) -> list[TaskDraft]:
    return [task_of(one) for one in template.tasks]


def prefixed(title: str, template: CaseTemplate) -> str:
    """The title with the template's prefix, a blank between them."""
    prefix = template.title_prefix or ""
    joint = "" if not prefix or prefix[-1].isspace() else " "
    return f"{prefix}{joint}{title}"


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
    changes: dict[str, Any] = {"title": prefixed(draft.title, template), "template_name": template.name}
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
    if draft.fields:  # they come behind what is there, in the template's order
        following = max(value.order for value in draft.fields) + 1
        extra = [replace(v, order=following + n) for n, v in enumerate(sorted(extra, key=lambda one: one.order))]
    changes["fields"] = [*draft.fields, *extra]
    return replace(draft, **changes)
