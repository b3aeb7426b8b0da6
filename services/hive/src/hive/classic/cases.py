"""Classic routes of cases, their tasks, logs and observables (contracts hive-v0 §2.2 to §2.6)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer
from hive.attachments import service as attachments
from hive.cases import service
from hive.cases.edits import assignee_of
from hive.cases.lookup import find
from hive.cases.models import Case
from hive.cases.routes import export_answer
from hive.cases.service import CaseChanges, CaseDraft
from hive.catalogue import Catalogue
from hive.classic import observables as artifacts
from hive.classic.alerts import add
from hive.classic.fields import values_of
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import case_out, log_out, observable_out, task_out, template_out
from hive.classic.reading import Body, reference
from hive.classic.search import below, search
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.export import Format
from hive.observables.uploads import stored_parts
from hive.tasks import service as tasks
from hive.tasks.models import Task
from hive.tasks.service import TaskDraft
from hive.templates import service as templates
from waggle.errors import InvalidFields
from waggle.web.fields import Fields, read_fields

TASK_STATUSES = ("Waiting", "InProgress", "Completed", "Cancel")
RESOLUTIONS = ("Indeterminate", "FalsePositive", "TruePositive", "Other", "Duplicated")
IMPACTS = ("NoImpact", "WithImpact", "NotApplicable")
ORDER_LIMIT = 2**31 - 1


def one_of(body: Body, name: str, words: tuple[str, ...]) -> str | None:
    value = body.text(name)
    if value is None or value == "":
        return None
    if value not in words:
        raise InvalidFields.invalid(name, f"one of {', '.join(words)} is needed")
    return value


def task_of(body: Body) -> TaskDraft:
    return TaskDraft(
        title=body.need("title", limit=128), group=body.text("group", limit=64) or "default",
        description=body.text("description"),
        status=one_of(body, "status", TASK_STATUSES) or "Waiting", flag=body.flag("flag") or False,
        order=body.number("order", low=-ORDER_LIMIT, high=ORDER_LIMIT) or 0, start_date=body.date("startDate"),
        end_date=body.date("endDate"), due_date=body.date("dueDate"), assignee=body.text("owner", limit=128) or None,
    )  # fmt: skip


async def created(acting: Acting, body: Body) -> dict[str, Any]:
    fields = body.mapping("customFields")
    catalogue = await acting.hive.catalogues.current(fields=set(fields or {}))
    tlp, unknown = body.tlp()
    draft = CaseDraft(
        title=body.need("title", limit=512), description=body.need("description"), severity=body.severity() or 2,
        tlp=tlp or "AMBER", pap=body.pap() or "AMBER", start_date=body.date("startDate"),
        tags=[*(body.texts("tags") or []), *(["tlp:unknown"] if unknown else [])], flag=body.flag("flag") or False,
        summary=body.text("summary"), fields=values_of(fields, catalogue),
        tasks=[task_of(Body(t)) for t in body.objects("tasks")],
    )  # fmt: skip
    given = {
        name
        for name in ("title", "description", "severity", "tlp", "pap", "flag", "summary")
        if body.values.get(name) is not None
    }
    template = body.text("template", limit=128) or body.text("caseTemplate", limit=128)
    async with acting.begin() as session:
        owner = body.text("owner", limit=128) or body.text("user", limit=128)
        draft = service.assigned(draft, await assignee_of(session, acting.caller, owner))
        if template:
            found = await templates.find(session, template)
            draft = templates.applied(draft, found, catalogue, given=given, unite_tags=True)
        case = await service.create(session, acting.caller, draft, catalogue)
        return case_out(case, acting.caller)


def changes_of(body: Body, case: Case, catalogue: Catalogue) -> tuple[CaseChanges, str | None]:
    """The changes, and the resolution that a bare `Resolved` leaves open."""
    columns: dict[str, Any] = {}
    for name, limit in (("title", 512), ("description", 1_048_576)):
        if (text := body.text(name, limit=limit)) is not None:
            columns[name] = text
    if body.has("summary"):
        columns["summary"] = body.text("summary")
    pairs = (
        ("severity", "severity", body.severity()), ("startDate", "start_date", body.date("startDate")),
        ("endDate", "end_date", body.date("endDate")), ("pap", "pap", body.pap()), ("tags", "tags", body.texts("tags")),
        ("flag", "flag", body.flag("flag")), ("impactStatus", "impact_status", one_of(body, "impactStatus", IMPACTS)),
    )  # fmt: skip
    columns |= {column: value for name, column, value in pairs if body.has(name) and value is not None}
    tlp, _ = body.tlp()
    if tlp is not None and not (tlp == "RED" and case.tlp == "AMBER+STRICT"):
        columns["tlp"] = tlp
    fields = body.mapping("customFields")
    owner = body.text("owner", limit=128)
    status, resolution = _status(body, case)
    changes = CaseChanges(
        columns=columns, status=status, assignee=owner or None, clear_assignee=body.has("owner") and not owner,
        fields=values_of(fields, catalogue) if fields is not None else None, fields_mode="replace",
    )  # fmt: skip
    return changes, resolution


def _status(body: Body, case: Case) -> tuple[str | None, str | None]:
    """v1's status for the classic pair (domain model §1.4)."""
    status = one_of(body, "status", ("Open", "Resolved", "Duplicated", "Deleted"))
    wanted = body.text("resolutionStatus")
    resolution = "Duplicated" if wanted == "Duplicate" else one_of(body, "resolutionStatus", RESOLUTIONS)
    if status == "Open":
        return ("InProgress" if case.stage == "Closed" or case.in_progress_date else None), None
    if status == "Duplicated":
        return "Duplicated", "Duplicated"
    if status == "Resolved" or (resolution and case.stage == "Closed"):
        return resolution or "Other", resolution
    return None, None


def routes(router: APIRouter) -> None:
    _case_routes(router)
    _task_routes(router)
    _observable_routes(router)


def _case_routes(router: APIRouter) -> None:
    @router.post("/case", status_code=201, openapi_extra=classic_body())
    async def create(request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_CREATE)
        async with read_fields(request, json_by_default=True) as fields:
            return answer(await created(acting, Body(fields.values)), 201)

    @router.get("/case")
    @router.post("/case/_search", openapi_extra=classic_body())
    async def find_all(request: Request, acting: Member) -> Response:
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            rows, total = await search(session, acting.caller, "case", request, fields, catalogue)
            return answer([case_out(row, acting.caller) for row in rows], total=total)

    @router.post("/case/template/_search", openapi_extra=classic_body())
    async def find_templates(request: Request, acting: Member) -> Response:
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            rows, total = await search(session, acting.caller, "caseTemplate", request, fields, catalogue)
            return answer([template_out(row) for row in rows], total=total)

    @router.get("/case/{case_id}")
    async def get(case_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(case_out(await find(session, reference(case_id)), acting.caller))

    @router.patch("/case/{case_id}", openapi_extra=classic_body())
    async def update(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.CASE_UPDATE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        catalogue = await acting.hive.catalogues.current(fields=set(body.mapping("customFields") or {}))
        async with acting.begin() as session:
            case = await find(session, reference(case_id), for_update=True)
            changes, resolution = changes_of(body, case, catalogue)
            if changes.status == "Other":
                case.resolution = resolution
            await service.change(session, acting.caller, case, changes, catalogue)
            return answer(case_out(case, acting.caller))


def _task_routes(router: APIRouter) -> None:
    @router.post("/case/task/_search", openapi_extra=classic_body())
    async def find_tasks(request: Request, acting: Member) -> Response:
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            rows, total = await search(session, acting.caller, "case_task", request, fields, catalogue)
            return answer([task_out(row) for row in rows], total=total)

    @router.post("/case/task/log/_search", openapi_extra=classic_body())
    async def find_logs(request: Request, acting: Member) -> Response:
        async with read_fields(request, json_by_default=True) as fields:
            return await _logs(acting, request, fields, None)

    @router.get("/case/task/log/{log_id}")
    async def get_log(log_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            log = await tasks.find_log(session, reference(log_id))
            files = await attachments.of_logs(session, [log.id])
            return answer(log_out(log, files.get(log.id, [])))

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
            return await _logs(acting, request, fields, task)

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
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            case = await find(session, reference(case_id))
            narrowing = below("case_id", case.id)
            rows, total = await search(session, acting.caller, "case_task", request, fields, catalogue, narrowing=narrowing)
            return answer([task_out(row) for row in rows], total=total)

    @router.post("/case/{case_id}/task", status_code=201, openapi_extra=classic_body())
    async def create_task(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.TASK)
        async with read_fields(request, json_by_default=True) as fields:
            draft = task_of(Body(fields.values))
        async with acting.begin() as session:
            case = await find(session, reference(case_id))
            (task,) = await tasks.add_tasks(session, acting.caller, case, [draft])
            return answer(task_out(task), 201)


async def _logs(acting: Acting, request: Request, fields: Fields, task: Task | None) -> Response:
    narrowing = below("task_id", task.id) if task is not None else None
    catalogue = await acting.hive.catalogues.current()
    async with acting.read() as session:
        rows, total = await search(session, acting.caller, "case_task_log", request, fields, catalogue, narrowing=narrowing)
        files = await attachments.of_logs(session, [row.id for row in rows])
        return answer([log_out(row, files.get(row.id, [])) for row in rows], total=total)


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


def _observable_routes(router: APIRouter) -> None:
    @router.post("/case/artifact/_search", openapi_extra=classic_body())
    async def find_artifacts(request: Request, acting: Member) -> Response:
        catalogue = await acting.hive.catalogues.current()
        async with read_fields(request, json_by_default=True) as fields, acting.read() as session:
            rows, total = await search(session, acting.caller, "case_artifact", request, fields, catalogue)
            return answer([observable_out(row) for row in rows], total=total)

    @router.get("/alert/artifact/{artifact_id}")
    @router.get("/case/artifact/{artifact_id}")
    async def get_artifact(artifact_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            return answer(observable_out(await observables.find(session, reference(artifact_id))))

    @router.patch("/alert/artifact/{artifact_id}", openapi_extra=classic_body())
    @router.patch("/case/artifact/{artifact_id}", openapi_extra=classic_body())
    async def update_artifact(artifact_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        name = body.text("dataType", limit=64)
        catalogue = await acting.hive.catalogues.current(types={name} if name else set())
        async with acting.begin() as session:
            row = await observables.find(session, reference(artifact_id), for_update=True)
            await observables.change(session, acting.caller, row, artifacts.changes_of(body, row), catalogue)
            return answer(observable_out(row))

    @router.get("/case/{case_id}/artifact/_export")
    async def export(case_id: str, acting: Member, format: Format = "csv", protect: bool = True) -> Response:
        """Our extension of the classic API; TheHive has it in its pages only."""
        return await export_answer(acting, reference(case_id), format, protected=protect, only_iocs=False)

    @router.post("/case/{case_id}/artifact", status_code=201, openapi_extra=classic_body())
    async def add_artifact(case_id: str, request: Request, acting: MayAlert) -> Response:
        acting.caller.check(Permission.OBSERVABLE)
        return await add(acting, request, "case", reference(case_id))
