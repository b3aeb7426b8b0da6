"""What a worker is given: an observable for an analyzer; for a responder any object, in the classic form that published
responders read (contracts/cortex.md §8.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.analysis.models import Action, Job
from hive.attachments.files import StoredFile
from hive.cases.models import Case
from hive.classic import outputs
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.tasks.models import Log, Task

LABEL = 200
OBSERVABLES = 1000
DATA_TYPES = {kind: f"thehive:{kind}" for kind in ("alert", "case", "case_task", "case_task_log", "case_artifact")}


@dataclass(frozen=True, slots=True)
class Subject:
    """`data` is a value, or the JSON text of an object (responders); a file has none. `what` names it in refusals."""

    kind: Literal["analyzer", "responder"]
    what: str
    data_type: str
    tlp: str
    pap: str
    data: str | None = None
    file: StoredFile | None = None
    message: str = ""
    label: str | None = None


async def of_observable(session: AsyncSession, observable: Observable) -> Subject:
    """What an analyzer gets; the message is the case's number."""
    number = None
    if observable.case_id is not None:
        number = await session.scalar(select(Case.number).where(Case.id == observable.case_id))
    file = None
    if observable.sha256 is not None and observable.blob is not None:
        file = StoredFile(
            observable.file_name or "file", observable.content_type or "application/octet-stream", observable.blob["size"],
            observable.sha256, observable.blob["sha1"], observable.blob["md5"],
        )  # fmt: skip
    return Subject(
        "analyzer", "observable", observable.data_type, observable.tlp, observable.pap, data=observable.data, file=file,
        message=str(number) if number is not None else "",
    )  # fmt: skip


async def of_job(session: AsyncSession, job: Job) -> Subject | None:
    observable = await session.get(Observable, job.observable_id)
    return await of_observable(session, observable) if observable else None


async def of_action(session: AsyncSession, caller: Caller, action: Action) -> Subject | None:
    """The object of an action as it is now; None when it is gone."""
    shown = await _shown(session, caller, action)
    if shown is None:
        return None
    data, label = shown
    case = await session.get(Case, action.case_id) if action.case_id is not None else None
    return Subject(
        "responder", action.object_kind.removeprefix("case_").replace("artifact", "observable").replace("task_log", "log"),
        DATA_TYPES[action.object_kind], action.tlp, action.pap, data=orjson.dumps(data).decode(),
        message=str(case.number) if case else "", label=label[:LABEL],
    )  # fmt: skip


async def _shown(session: AsyncSession, caller: Caller, action: Action) -> tuple[dict[str, Any], str] | None:
    """The object with what it hangs on, and the label by which job lists name it."""
    case = await session.get(Case, action.case_id) if action.case_id is not None else None
    case_shown = outputs.case_out(case, caller) if case else None
    if action.object_kind == "case" and case and case_shown:
        return case_shown, f"#{case.number} {case.title}"
    if action.object_kind == "alert":
        alert = await session.get(Alert, action.object_id)
        return (await _alert(session, alert), f"[{alert.source}:{alert.source_ref}] {alert.title}") if alert else None
    if action.object_kind == "case_artifact":
        observable = await session.get(Observable, action.object_id)
        return await _observable(session, observable, case_shown) if observable else None
    task = await session.get(Task, action.task_id) if action.task_id is not None else None
    if task is None:
        return None
    task_shown = {**outputs.task_out(task), "case": case_shown}
    if action.object_kind == "case_task":
        return task_shown, f"{task.title} ({task.status})"
    log = await session.get(Log, action.object_id)
    return ({**outputs.log_out(log, []), "case_task": task_shown}, f"{log.message} from {log.created_by}") if log else None


async def _alert(session: AsyncSession, alert: Alert) -> dict[str, Any]:
    statement = select(Observable).where(Observable.alert_id == alert.id).order_by(Observable.id).limit(OBSERVABLES)
    return outputs.alert_out(alert, list(await session.scalars(statement)))


async def _observable(session: AsyncSession, observable: Observable, case: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
    shown = outputs.observable_out(observable)
    if case is not None:
        shown["case"] = case
    elif (alert := await session.get(Alert, observable.alert_id)) is not None:
        shown["alert"] = outputs.alert_out(alert, [])
    return shown, f"[{observable.data_type}] {observable.data or observable.file_name}"
