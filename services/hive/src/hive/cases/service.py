"""Making and changing cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.access import set_access
from hive.cases.models import Case, CaseReader, CaseShare
from hive.catalogue import Catalogue
from hive.customfields.service import Mode, write_fields
from hive.customfields.values import FieldValue
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.identity.models import Organisation, Profile
from hive.identity.people import assignable
from hive.identity.permissions import Permission
from hive.markings import unique
from hive.pages.service import PageDraft
from hive.pages.service import bring as bring_pages
from hive.pages.service import of_case_template as pages_of_template
from hive.sharing.service import ShareDraft, share_by_links, share_case
from hive.tables import number_of, text_id, touch
from hive.tasks.models import Task
from hive.tasks.service import TaskDraft, add_tasks
from waggle.contracts.messages.cases import CaseChange, CaseClosed, CaseCreated, CaseUpdated
from waggle.contracts.vocabulary import DEFAULT_PAP, DEFAULT_TLP
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

SEARCHED = frozenset({"title", "description", "summary", "tags"})
M = TypeVar("M", bound=CaseChange)


@dataclass(frozen=True, slots=True)
class CaseDraft:
    """A case that is about to be made. `assignee_id` is resolved; tasks are in their order; `readers` are logins."""

    title: str
    description: str
    severity: int = 2
    tlp: str = DEFAULT_TLP
    pap: str = DEFAULT_PAP
    start_date: int | None = None
    end_date: int | None = None
    tags: list[str] = field(default_factory=list)
    flag: bool = False
    status: str = "New"
    summary: str | None = None
    assignee_id: int | None = None
    fields: Sequence[FieldValue] = ()
    tasks: Sequence[TaskDraft] = ()
    pages: Sequence[PageDraft] = ()
    access: str = "organisation"
    readers: Sequence[str] = ()
    shares: Sequence[ShareDraft] = ()
    task_rule: str | None = None
    observable_rule: str | None = None
    template_name: str | None = None
    from_alert: dict[str, Any] | None = None


def assigned(draft: CaseDraft, assignee_id: int | None) -> CaseDraft:
    return replace(draft, assignee_id=assignee_id)


async def create(session: AsyncSession, caller: Caller, draft: CaseDraft, catalogue: Catalogue) -> Case:
    """A new case of the caller's organisation with its tasks, next in number."""
    now = now_ms()
    stage = catalogue.stage("case", draft.status)
    start = now if draft.start_date is None else draft.start_date
    case = Case(
        org_id=caller.org_id, title=draft.title, description=draft.description, severity=draft.severity, tlp=draft.tlp,
        pap=draft.pap, start_date=start, end_date=draft.end_date or (now if stage == "Closed" else None), status=draft.status,
        stage=stage, summary=draft.summary, flag=draft.flag, assignee_id=draft.assignee_id, tags=unique(list(draft.tags)),
        custom_fields=[], new_date=now, in_progress_date=now if stage == "InProgress" else None,
        closed_date=now if stage == "Closed" else None, template_name=draft.template_name, created_at=now,
        created_by=caller.login,
    )  # fmt: skip
    session.add(case)
    await session.flush()
    owner = await session.scalar(select(Profile.id).where(Profile.name == "org-admin"))
    own = await session.get_one(Organisation, case.org_id)
    session.add(
        CaseShare(
            case_id=case.id, org_id=case.org_id, owner=True, profile_id=owner, task_rule=draft.task_rule or own.task_rule,
            observable_rule=draft.observable_rule or own.observable_rule, start_date=start,
        )
    )  # fmt: skip
    await session.flush()
    await _write_tags(session, case)
    await session.execute(
        text(
            "INSERT INTO case_texts (entity_id, kind, case_id, org_id, title, document) VALUES (:id, 'case', :id, :org,"
            " CAST(:title AS text), case_document(CAST(:title AS text), :description, :summary, CAST(:tags AS text[])))"
        ),
        _document(case),
    )
    if draft.fields:
        case.custom_fields = await write_fields(
            session, kind="case", parent_id=case.id, org_id=case.org_id, date=start, values=draft.fields, mode="replace"
        )
        await session.flush()
    details = {"number": case.number, "title": case.title, "severity": case.severity, "tlp": case.tlp, "status": case.status}
    if draft.from_alert:
        details["fromAlert"] = draft.from_alert
    await record(session, caller, action="create", kind="case", object_id=case.id, root=Root("case", case.id), details=details)
    await add_tasks(session, caller, case, draft.tasks, base=False)
    pages = [*draft.pages, *await pages_of_template(session, draft.template_name)]
    await bring_pages(session, caller, case_id=case.id, org_id=case.org_id, drafts=pages)
    if draft.access != "organisation":
        await set_access(session, caller, case, draft.access, draft.readers, base=False)
    await share_by_links(session, caller, case)
    if draft.shares:
        caller.check(Permission.SHARE)
        await share_case(session, caller, case, draft.shares, base=False)
    await tell(session, caller, news(CaseCreated, case, ()), key=f"case:{text_id(case.id)}")
    await session.refresh(case)
    return case


def _document(case: Case) -> dict[str, Any]:
    return {
        "id": case.id, "org": case.org_id, "title": case.title, "description": case.description, "summary": case.summary,
        "tags": case.tags,
    }  # fmt: skip


async def _write_tags(session: AsyncSession, case: Case) -> None:
    await session.execute(text("DELETE FROM case_tags WHERE case_id = :id"), {"id": case.id})
    await session.execute(
        text(
            "INSERT INTO case_tags (org_id, tag, date, case_id)"
            " SELECT :org, tag, :date, :id FROM unnest(CAST(:tags AS text[])) AS tag"
        ),
        {"org": case.org_id, "date": case.start_date, "id": case.id, "tags": case.tags},
    )


@dataclass(frozen=True, slots=True)
class CaseChanges:
    """`columns`: plain columns by name, already checked; `rules`: how tasks and observables are shared by default."""

    columns: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    assignee: str | None = None
    clear_assignee: bool = False
    add_tags: list[str] = field(default_factory=list)
    remove_tags: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    fields: list[FieldValue] | None = None
    fields_mode: Mode = "append"


async def change(session: AsyncSession, caller: Caller, case: Case, changes: CaseChanges, catalogue: Catalogue) -> list[str]:
    """Applies the changes to a case that is locked by this transaction; returns the names of what really changed."""
    watched = (*changes.columns, "status", "assignee_id", "tags", "custom_fields", "end_date")
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
    before = {name: getattr(case, name) for name in watched}
    for name, value in changes.columns.items():
        setattr(case, name, value)
    if changes.add_tags or changes.remove_tags:
        case.tags = [t for t in unique([*case.tags, *changes.add_tags]) if t not in changes.remove_tags]
    if changes.rules:
        rights.check_owner(caller, case.org_id, "says how it is shared")
        await session.execute(update(CaseShare).where(CaseShare.case_id == case.id, CaseShare.owner).values(changes.rules))
    if changes.clear_assignee:
        case.assignee_id = None
    elif changes.assignee is not None:
        case.assignee_id = (await assignable(session, org_id=case.org_id, login=changes.assignee, case_id=case.id)).id
        if case.access == "users":
            await session.merge(CaseReader(case_id=case.id, user_id=case.assignee_id))
    if changes.fields is not None:
        case.custom_fields = await write_fields(
            session, kind="case", parent_id=case.id, org_id=case.org_id, date=case.start_date, values=changes.fields,
            mode=changes.fields_mode,
        )  # fmt: skip
    if changes.status is not None:
        end_given = "end_date" in changes.columns
        await _set_status(session, caller, case, changes.status, catalogue, end_given=end_given)
    changed = [name for name, old in before.items() if getattr(case, name) != old]
    if changed:
        await settle(session, caller, case, changed)
    return changed


async def _set_status(
    session: AsyncSession, caller: Caller, case: Case, status: str, catalogue: Catalogue, *, end_given: bool
) -> None:
    """Moves a case to a status (domain model §5). Raises BadRequest where it cannot close, Forbidden for reopening."""
    stage = catalogue.stage("case", status)
    now = now_ms()
    if stage == "Closed" and case.stage != "Closed":
        await _check_closable(session, case, catalogue)
        await _close_tasks(session, caller, case, now)
        case.closed_date = case.closed_date or now
        if not end_given:
            case.end_date = now
    elif case.stage == "Closed" and stage != "Closed":
        caller.check(Permission.CASE_REOPEN)
        await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_REOPEN)
        case.end_date = case.resolution = None
    if stage == "InProgress":
        case.in_progress_date = case.in_progress_date or now
    case.status, case.stage = status, stage


async def _check_closable(session: AsyncSession, case: Case, catalogue: Catalogue) -> None:
    filled = {one["name"] for one in case.custom_fields if one["value"] is not None}
    missing = [d.display_name for d in catalogue.fields.values() if d.mandatory and d.name not in filled]
    if missing:
        raise BadRequest(f"the case cannot close: no value for {', '.join(sorted(missing))}")
    open_tasks = await session.scalars(
        select(Task.title).where(Task.case_id == case.id, Task.mandatory, Task.status != "Completed")
    )
    if titles := list(open_tasks):
        raise BadRequest(f"the case cannot close: mandatory tasks are not completed: {', '.join(titles)}")


async def _close_tasks(session: AsyncSession, caller: Caller, case: Case, now: int) -> None:
    """Waiting tasks are cancelled, those in progress completed."""
    for old, new in (("Waiting", "Cancel"), ("InProgress", "Completed")):
        await session.execute(
            update(Task)
            .where(Task.case_id == case.id, Task.status == old)
            .values(status=new, end_date=now, updated_at=now, updated_by=caller.login, version=Task.version + 1)
        )


async def case_of_value(session: AsyncSession, reference: str) -> tuple[Case, int]:
    """The case that a custom field's value stands on, locked, and the value's row. Raises NotFound."""
    value_id = number_of(reference)
    case_id = await session.scalar(text("SELECT case_id FROM case_fields WHERE id = :id"), {"id": value_id})
    if value_id is None or case_id is None:
        raise NotFound(f"CustomFieldValue {reference[:64]} not found")
    locked = select(Case).where(Case.id == case_id).with_for_update(of=Case).execution_options(populate_existing=True)
    return (await session.scalars(locked)).one(), value_id


async def drop_value(session: AsyncSession, caller: Caller, case: Case, value_id: int) -> None:
    """Takes one value of a custom field off a case."""
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
    await session.execute(text("DELETE FROM case_fields WHERE id = :id"), {"id": value_id})
    case.custom_fields = [one for one in case.custom_fields if one["id"] != value_id]
    await settle(session, caller, case, ["custom_fields"])


async def settle(session: AsyncSession, caller: Caller, case: Case, changed: Collection[str], **details: Any) -> None:
    """Writes a changed case with everything that follows: side rows, history, message."""
    touch(case, caller.login)
    await session.flush()
    if "tags" in changed or "start_date" in changed:
        await _write_tags(session, case)
    if "start_date" in changed:
        await session.execute(text("SELECT date_shares(:id)"), {"id": case.id})
        await session.execute(
            text("UPDATE case_fields SET date = :date WHERE case_id = :id"), {"date": case.start_date, "id": case.id}
        )
    if SEARCHED & set(changed):
        await session.execute(
            text(
                "UPDATE case_texts SET title = CAST(:title AS text), document = case_document(CAST(:title AS text), :description,"
                " :summary, CAST(:tags AS text[])) WHERE entity_id = :id"
            ),
            {k: v for k, v in _document(case).items() if k != "org"},
        )
    shown = {_shown(name): getattr(case, name) for name in changed} | details
    await record(session, caller, action="update", kind="case", object_id=case.id, root=Root("case", case.id), details=shown)
    kind: type[CaseChange] = CaseClosed if "status" in changed and case.stage == "Closed" else CaseUpdated
    await tell(session, caller, news(kind, case, changed), key=f"case:{text_id(case.id)}")
    await session.refresh(case)


def _shown(name: str) -> str:
    head, *rest = name.removesuffix("_id").split("_")
    return head + "".join(part.capitalize() for part in rest)


def news(kind: type[M], case: Case, changed: Collection[str]) -> M:
    """How the case stands, as a message."""
    return kind(
        id=text_id(case.id), number=case.number, title=case.title, severity=case.severity, tlp=case.tlp, status=case.status,
        stage=case.stage, changed=tuple(changed),
    )  # fmt: skip
