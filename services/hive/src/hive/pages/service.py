"""Pages of cases, and the organisation's page templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.pages.models import Page, PageTemplate
from hive.tables import number_of, text_id, touch
from hive.texts import drop_part, index_part, reindex_part
from waggle.errors import NotFound
from waggle.ids import now_ms


@dataclass(frozen=True, slots=True)
class PageDraft:
    title: str
    content: str
    category: str
    order: int = 0


def draft_of(template: PageTemplate) -> PageDraft:
    return PageDraft(template.title, template.content, template.category, template.ord)


async def of_case_template(session: AsyncSession, name: str | None) -> list[PageDraft]:
    """The pages that the organisation's case template of that name brings, in their order; none for no template."""
    if name is None:
        return []
    ids = text(
        "SELECT p.page_template_id FROM case_template_pages p JOIN case_templates t ON t.id = p.template_id"
        " WHERE t.name = :name ORDER BY p.ord"
    )
    wanted = list(await session.scalars(ids, {"name": name}))
    found = {one.id: one for one in await session.scalars(select(PageTemplate).where(PageTemplate.id.in_(wanted)))}
    return [draft_of(found[one]) for one in wanted]


def _body(page: Page) -> str:
    return f"{page.title} {page.category} {page.content}"


async def add(
    session: AsyncSession, caller: Caller, *, case_id: int, org_id: int, drafts: Sequence[PageDraft], base: bool = True
) -> list[Page]:
    """New pages of a case, in the order given. `base` False: they came with the case or a template."""
    await rights.check(session, caller, case_id=case_id, org_id=org_id, permission=Permission.PAGE)
    return await bring(session, caller, case_id=case_id, org_id=org_id, drafts=drafts, base=base)


async def bring(
    session: AsyncSession, caller: Caller, *, case_id: int, org_id: int, drafts: Sequence[PageDraft], base: bool = False
) -> list[Page]:
    """As `add`, for pages that are part of making the case, which the caller may."""
    added: list[Page] = []
    for draft in drafts:
        page = Page(
            org_id=org_id, case_id=case_id, title=draft.title, content=draft.content, category=draft.category, ord=draft.order,
            created_at=now_ms(), created_by=caller.login,
        )  # fmt: skip
        session.add(page)
        await session.flush()
        await index_part(
            session,
            of="case",
            parent_id=case_id,
            org_id=org_id,
            kind="page",
            entity_id=page.id,
            title=page.title,
            body=_body(page),
        )
        details = {"title": page.title, "category": page.category}
        root = Root("case", case_id)
        await record(session, caller, action="create", kind="page", object_id=page.id, root=root, details=details, base=base)
        await session.refresh(page)
        added.append(page)
    return added


async def find(session: AsyncSession, reference: str, *, case_id: int) -> Page:
    """The page of an id in that case, locked. Raises NotFound."""
    statement = select(Page).where(Page.id == number_of(reference), Page.case_id == case_id)
    found = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NotFound(f"Page {reference[:200]} not found")
    return found


async def change(session: AsyncSession, caller: Caller, page: Page, columns: Mapping[str, Any]) -> None:
    await rights.check(session, caller, case_id=page.case_id, org_id=page.org_id, permission=Permission.PAGE)
    changed = {name: value for name, value in columns.items() if getattr(page, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(page, name, value)
    touch(page, caller.login)
    await session.flush()
    await reindex_part(session, of="case", entity_id=page.id, title=page.title, body=_body(page))
    root = Root("case", page.case_id)
    await record(session, caller, action="update", kind="page", object_id=page.id, root=root, details=_shown(changed))


async def remove(session: AsyncSession, caller: Caller, page: Page) -> None:
    await rights.check(session, caller, case_id=page.case_id, org_id=page.org_id, permission=Permission.PAGE)
    await drop_part(session, of="case", entity_id=page.id)
    gone = {"title": page.title, "category": page.category, "content": page.content}
    await session.delete(page)
    await session.flush()
    root = Root("case", page.case_id)
    await record(session, caller, action="delete", kind="page", object_id=page.id, root=root, details={}, gone=gone)


def _shown(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {"order" if name == "ord" else name: value for name, value in columns.items()}


async def create_template(session: AsyncSession, caller: Caller, draft: PageDraft) -> PageTemplate:
    template = PageTemplate(
        org_id=caller.org_id, title=draft.title, content=draft.content, category=draft.category, ord=draft.order,
        created_at=now_ms(), created_by=caller.login,
    )  # fmt: skip
    session.add(template)
    await session.flush()
    await _record_template(session, caller, template, "create", {"title": template.title})
    await session.refresh(template)
    return template


async def find_template(
    session: AsyncSession, reference: str, *, for_update: bool = False, by_title: bool = False
) -> PageTemplate:
    """The organisation's page template of an id, or (`by_title`) the oldest of a title. Raises NotFound."""
    number = number_of(reference)
    wanted = PageTemplate.title == reference if by_title and number is None else PageTemplate.id == number
    statement = select(PageTemplate).where(wanted).order_by(PageTemplate.id).limit(1)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"PageTemplate {reference[:200]} not found")
    return found


async def change_template(session: AsyncSession, caller: Caller, template: PageTemplate, columns: Mapping[str, Any]) -> None:
    changed = {name: value for name, value in columns.items() if getattr(template, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(template, name, value)
    touch(template, caller.login)
    await session.flush()
    await _record_template(session, caller, template, "update", _shown(changed))


async def remove_template(session: AsyncSession, caller: Caller, template: PageTemplate) -> None:
    await session.delete(template)
    await session.flush()
    await _record_template(session, caller, template, "delete", {"_id": text_id(template.id), "title": template.title})


async def _record_template(session: AsyncSession, caller: Caller, template: PageTemplate, action: Any, details: Any) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind="pageTemplate", object_id=template.id, root=root, details=details)
