"""Tasks of a case and their logs: rules of hive-v1 §5.6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.attachments import service as attachments
from hive.attachments.files import StoredFile
from hive.attachments.models import Attachment
from hive.audit.service import Root, record
from hive.cases import rights
from hive.identity.caller import Caller
from hive.identity.people import assignable
from hive.identity.permissions import Permission
from hive.tables import number_of, touch
from hive.tasks.models import Log, Task
from hive.texts import reindex_part
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

LOG_TEXT = text(
    "INSERT INTO case_texts (entity_id, kind, case_id, org_id, title, document)"
    " VALUES (:id, :kind, :case, :org, CAST(:title AS text), search_document(:body))"
)


class OfOrganisation(Protocol):
    """A case, as far as its tasks need to know it."""

    id: Any
    org_id: Any


@dataclass(frozen=True, slots=True)
class TaskDraft:
    title: str
    group: str = "default"
    description: str | None = None
    status: str = "Waiting"
    flag: bool = False
    mandatory: bool = False
    order: int = 0
    start_date: int | None = None
    end_date: int | None = None
    due_date: int | None = None
    assignee: str | None = None


async def add_tasks(
    session: AsyncSession, caller: Caller, case: OfOrganisation, drafts: Sequence[TaskDraft], *, base: bool = True
) -> list[Task]:
    """New tasks of a case, in the order given. `base` False: they came with the case."""
    if base:
        await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.TASK)
    added: list[Task] = []
    now = now_ms()
    for draft in drafts:
        # Drawn beforehand: a receiver of the case cannot see the row, and so not its id, until it is shared with them.
        task_id = await session.scalar(text("SELECT nextval('entity_id')"))
        assignee = (
            await assignable(session, org_id=case.org_id, login=draft.assignee, case_id=case.id) if draft.assignee else None
        )
        task = Task(
            id=task_id, org_id=case.org_id, case_id=case.id, title=draft.title, task_group=draft.group,
            description=draft.description,
            status=draft.status, flag=draft.flag, mandatory=draft.mandatory, ord=draft.order, due_date=draft.due_date,
            start_date=draft.start_date or (now if draft.status == "InProgress" else None),
            end_date=draft.end_date or (now if draft.status == "Completed" else None),
            assignee_id=assignee.id if assignee else None, created_at=now, created_by=caller.login,
        )  # fmt: skip
        session.add(task)
        await session.flush()
        await session.execute(text("SELECT spread_tasks(ARRAY[CAST(:id AS bigint)])"), {"id": task.id})
        body = f"{task.title} {task.description or ''}"
        await session.execute(
            LOG_TEXT, {"id": task.id, "kind": "task", "case": case.id, "org": case.org_id, "title": task.title, "body": body}
        )
        details = {"title": task.title, "group": task.task_group, "status": task.status}
        root = Root("case", case.id)
        await record(session, caller, action="create", kind="task", object_id=task.id, root=root, details=details, base=base)
        await session.refresh(task)
        added.append(task)
    return added


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Task:
    """The task of an id. Raises NotFound."""
    statement = select(Task).where(Task.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update(of=Task).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Task {reference[:200]} not found")
    return found


async def change(session: AsyncSession, caller: Caller, task: Task, changes: dict[str, Any]) -> None:
    """Applies changes by column name; `assignee` is a login or None. Raises BadRequest."""
    await rights.check(session, caller, case_id=task.case_id, org_id=task.org_id, permission=Permission.TASK)
    changes = dict(changes)
    if "assignee" in changes:
        login = changes.pop("assignee")
        user = await assignable(session, org_id=task.org_id, login=login, case_id=task.case_id) if login else None
        changes["assignee_id"] = user.id if user else None
    status = changes.get("status")
    if status == "Completed" and task.status != "Completed" and task.mandatory:
        logged = await session.scalar(select(exists().where(Log.task_id == task.id)))
        if not logged:
            raise BadRequest("a mandatory task needs a log before it can be completed")
    changed = {name: value for name, value in changes.items() if getattr(task, name) != value}
    for name, value in changed.items():
        setattr(task, name, value)
    if "status" in changed:
        _enter(task, caller, given=changes)
    if not changed:
        return
    touch(task, caller.login)
    await session.flush()
    if {"title", "description"} & changed.keys():
        await session.execute(
            text("UPDATE case_texts SET title = CAST(:title AS text), document = search_document(:body) WHERE entity_id = :id"),
            {"id": task.id, "title": task.title, "body": f"{task.title} {task.description or ''}"},
        )
    await record(
        session, caller, action="update", kind="task", object_id=task.id, root=Root("case", task.case_id), details=changed
    )
    await session.refresh(task)


def _enter(task: Task, caller: Caller, *, given: dict[str, Any]) -> None:
    """Dates and assignee that follow from a new status, where the caller gave none."""
    now = now_ms()
    if task.status == "InProgress":
        task.start_date = task.start_date or now
        if task.assignee_id is None and "assignee_id" not in given and caller.user_id:
            task.assignee_id = caller.user_id
    if task.status == "Completed":
        task.end_date = task.end_date or now


async def add_log(
    session: AsyncSession,
    caller: Caller,
    task: Task,
    *,
    message: str,
    date: int | None,
    include_in_timeline: int | None,
    files: Sequence[StoredFile],
) -> tuple[Log, list[Attachment]]:
    """A new log with its files; starts a task that waits."""
    await rights.check(session, caller, case_id=task.case_id, org_id=task.org_id, permission=Permission.TASK)
    now = now_ms()
    log = Log(
        org_id=task.org_id, task_id=task.id, case_id=task.case_id, message=message, date=now if date is None else date,
        include_in_timeline=include_in_timeline, created_at=now, created_by=caller.login,
    )  # fmt: skip
    session.add(log)
    await session.flush()
    await session.execute(
        LOG_TEXT, {"id": log.id, "kind": "log", "case": log.case_id, "org": log.org_id, "title": "", "body": message}
    )
    added = await attachments.add(session, caller, files, org_id=task.org_id, case_id=task.case_id, log_id=log.id)
    details = {"message": message, "attachments": [one.name for one in added], "task": f"~{task.id}"}
    await record(session, caller, action="create", kind="log", object_id=log.id, root=Root("case", task.case_id), details=details)
    if task.status == "Waiting":
        await change(session, caller, task, {"status": "InProgress"})
    return log, added


async def find_log(session: AsyncSession, reference: str) -> Log:
    """The log of an id. Raises NotFound."""
    found = await session.scalar(select(Log).where(Log.id == number_of(reference)))
    if found is None:
        raise NotFound(f"Log {reference[:200]} not found")
    return found


async def change_log(session: AsyncSession, caller: Caller, log: Log, columns: dict[str, Any]) -> None:
    await rights.check(session, caller, case_id=log.case_id, org_id=log.org_id, permission=Permission.TASK)
    changed = {name: value for name, value in columns.items() if getattr(log, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(log, name, value)
    touch(log, caller.login)
    await session.flush()
    if "message" in changed:
        await reindex_part(session, of="case", entity_id=log.id, title="", body=log.message)
    root = Root("case", log.case_id)
    await record(session, caller, action="update", kind="log", object_id=log.id, root=root, details=changed)


async def attach(session: AsyncSession, caller: Caller, log: Log, files: Sequence[StoredFile]) -> list[Attachment]:
    """More files of a log."""
    await rights.check(session, caller, case_id=log.case_id, org_id=log.org_id, permission=Permission.TASK)
    added = await attachments.add(session, caller, files, org_id=log.org_id, case_id=log.case_id, log_id=log.id)
    names = {"attachments": [one.name for one in added]}
    root = Root("case", log.case_id)
    await record(session, caller, action="update", kind="log", object_id=log.id, root=root, details=names)
    return added
