"""Classic routes of tasks and their logs (contracts hive-v0 §2.3, §2.4)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Member
from hive.answers import answer, no_content
from hive.cases.lookup import find
from hive.classic import showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import log_out, task_out
from hive.classic.reading import Body, one_of, reference
from hive.classic.search import below, listed, searchable
from hive.identity.permissions import Permission
from hive.observables.uploads import stored_parts
from hive.tasks import service as tasks
from hive.tasks.removal import remove_log
from hive.tasks.service import TaskDraft
from waggle.web.fields import read_fields

TASK_STATUSES = ("Waiting", "InProgress", "Completed", "Cancel")
ORDER_LIMIT = 2**31 - 1


def task_of(body: Body) -> TaskDraft:
    return TaskDraft(
        title=body.need("title", limit=128), group=body.text("group", limit=64) or "default",
        description=body.text("description"),
        status=one_of(body, "status", TASK_STATUSES) or "Waiting", flag=body.flag("flag") or False,
        order=body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT) or 0, start_date=body.date("startDate"),
        end_date=body.date("endDate"), due_date=body.date("dueDate"), assignee=body.text("owner", limit=128) or None,
    )  # fmt: skip


def routes(router: APIRouter) -> None:
    searchable(router, "/case/task/log", "case_task_log", showing.logs)
    searchable(router, "/case/task", "case_task", showing.tasks)

    @router.get("/case/task/log/{log_id}")
    async def get_log(log_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            log = await tasks.find_log(session, reference(log_id))
            return answer((await showing.logs(session, acting, [log]))[0])

    @router.patch("/case/task/log/{log_id}", openapi_extra=classic_body())
    async def update_log(log_id: str, request: Request, acting: MayAlert) -> Response:
        """The message; `deleted` as TheHive 3 had it removes the log; other keys (thehivebackup sends `owner`) do nothing."""
        acting.caller.check(Permission.TASK)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        async with acting.begin() as session:
            log = await tasks.find_log(session, reference(log_id))
            (shown,) = await showing.logs(session, acting, [log])
            if body.flag("deleted"):
                await remove_log(session, acting.caller, log)
                return answer({**shown, "deleted": True})
            message = body.text("message")
            if message is not None:
                await tasks.change_log(session, acting.caller, log, {"message": message})
            return answer((await showing.logs(session, acting, [log]))[0])

    @router.delete("/case/task/log/{log_id}", status_code=204)
    async def delete_log(log_id: str, acting: MayAlert) -> Response:
        acting.caller.check(Permission.TASK)
        async with acting.begin() as session:
            await remove_log(session, acting.caller, await tasks.find_log(session, reference(log_id)))
        return no_content()

    @router.get("/case/task/{task_id}")
    async def get_task(task_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(task_out(await tasks.find(session, reference(task_id))))

    @router.patch("/case/task/{task_id}", openapi_extra=classic_body())
    async def update_task(task_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.TASK)
        async with read_fields(request, json_by_default=True) as fields:
            changes = _task_changes(Body(fields.values))
        async with acting.begin() as session:
            task = await tasks.find(session, reference(task_id), for_update=True)
            await tasks.change(session, acting.caller, task, changes)
            return answer(task_out(task))

    @router.get("/case/task/{task_id}/log")
    @router.post("/case/task/{task_id}/log/_search", openapi_extra=classic_body())
    async def logs_of(task_id: str, request: Request, acting: Member) -> Response:
        async with acting.read() as session:
            task = await tasks.find(session, reference(task_id))
        async with read_fields(request, json_by_default=True) as fields:
            narrowing = below("task_id", task.id)
            return await listed(acting, "case_task_log", request, fields, showing.logs, narrowing=narrowing)

    @router.post("/case/task/{task_id}/log", status_code=201, openapi_extra=classic_body())
    async def create_log(task_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.TASK)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
            message, date = body.need("message"), body.date("startDate")
            parts = fields.files.get("attachment", [])[:1]
            files = await stored_parts(acting, parts) if parts else []
        async with acting.begin() as session:
            task = await tasks.find(session, reference(task_id), for_update=True)
            log, added = await tasks.add_log(
                session, acting.caller, task, message=message, date=date, include_in_timeline=None, files=files
            )
            return answer(log_out(log, added), 201)

    @router.post("/case/{case_id}/task/_search", openapi_extra=classic_body())
    async def tasks_of(case_id: str, request: Request, acting: Member) -> Response:
        async with acting.read() as session:
            case = await find(session, reference(case_id))
        async with read_fields(request, json_by_default=True) as fields:
            return await listed(acting, "case_task", request, fields, showing.tasks, narrowing=below("case_id", case.id))

    @router.post("/case/{case_id}/task", status_code=201, openapi_extra=classic_body())
    async def create_task(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.TASK)
        async with read_fields(request, json_by_default=True) as fields:
            draft = task_of(Body(fields.values))
        async with acting.begin() as session:
            case = await find(session, reference(case_id))
            (task,) = await tasks.add_tasks(session, acting.caller, case, [draft])
            return answer(task_out(task), 201)


def _task_changes(body: Body) -> dict[str, Any]:
    needed = {
        "title": body.text("title", limit=128), "task_group": body.text("group", limit=64), "flag": body.flag("flag"),
        "status": one_of(body, "status", TASK_STATUSES), "ord": body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT),
    }  # fmt: skip
    changes: dict[str, Any] = {column: value for column, value in needed.items() if value is not None}
    clearable = (
        ("description", "description", body.text("description")), ("startDate", "start_date", body.date("startDate")),
        ("endDate", "end_date", body.date("endDate")), ("dueDate", "due_date", body.date("dueDate")),
        ("owner", "assignee", body.text("owner", limit=128) or None),
    )  # fmt: skip
    return changes | {column: value for name, column, value in clearable if body.has(name)}
