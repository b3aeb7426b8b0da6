"""Whose action a task waits for: asked of organisations that have its case (hive-v1 §5.6)."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.identity.service import organisation as find_organisation
from hive.tasks.models import Task
from waggle.errors import BadRequest

# Every organisation that has the case, whether it was ever asked or not.
REQUIRED = text(
    "SELECT o.name, coalesce(r.required, false) AS required FROM shares_of(:case) s JOIN organisations o ON o.id = s.org_id"
    " LEFT JOIN task_requests r ON r.task_id = :task AND r.org_id = s.org_id ORDER BY o.name"
)


async def required_actions(session: AsyncSession, task: Task) -> dict[str, bool]:
    """By the names of the organisations that have the case; false where nothing is asked or what was asked is done."""
    rows = await session.execute(REQUIRED, {"case": task.case_id, "task": task.id})
    return {row.name: row.required for row in rows}


async def set_required(session: AsyncSession, caller: Caller, task: Task, organisation: str, *, required: bool) -> None:
    """Raises NotFound for an unknown organisation, BadRequest for one that has not the case."""
    await rights.check(session, caller, case_id=task.case_id, org_id=task.org_id, permission=Permission.TASK)
    wanted = await find_organisation(session, organisation)
    if wanted.name not in await required_actions(session, task):
        raise BadRequest(f"{wanted.name} has not the case of this task")
    await session.execute(
        text(
            "INSERT INTO task_requests (task_id, org_id, required) VALUES (:task, :org, :required)"
            " ON CONFLICT (task_id, org_id) DO UPDATE SET required = :required"
        ),
        {"task": task.id, "org": wanted.id, "required": required},
    )
    details = {"actionRequired": {wanted.name: required}}
    root = Root("case", task.case_id)
    await record(session, caller, action="update", kind="task", object_id=task.id, root=root, details=details)
