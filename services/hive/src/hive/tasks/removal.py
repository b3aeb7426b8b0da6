"""Removing tasks and logs with what hangs on them."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.tasks.models import Log, Task
from hive.texts import drop_part


async def remove_task(session: AsyncSession, caller: Caller, task: Task) -> None:
    """The task, its logs and their files."""
    await rights.check(session, caller, case_id=task.case_id, org_id=task.org_id, permission=Permission.TASK)
    await session.execute(
        text("DELETE FROM case_texts WHERE entity_id = :id OR entity_id IN (SELECT id FROM logs WHERE task_id = :id)"),
        {"id": task.id},
    )
    gone = {"title": task.title, "group": task.task_group, "description": task.description, "status": task.status}
    await session.delete(task)
    await session.flush()
    root = Root("case", task.case_id)
    await record(session, caller, action="delete", kind="task", object_id=task.id, root=root, details={}, gone=gone)


async def remove_log(session: AsyncSession, caller: Caller, log: Log) -> None:
    """The log and its files."""
    await rights.check(session, caller, case_id=log.case_id, org_id=log.org_id, permission=Permission.TASK)
    await drop_part(session, of="case", entity_id=log.id)
    gone = {"message": log.message, "date": log.date, "owner": log.created_by, "task": f"~{log.task_id}"}
    await session.delete(log)
    await session.flush()
    root = Root("case", log.case_id)
    await record(session, caller, action="delete", kind="log", object_id=log.id, root=root, details={}, gone=gone)
