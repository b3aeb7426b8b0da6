"""Tasks and logs as the v1 API takes and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.attachments.models import Attachment
from hive.attachments.schemas import OutputAttachment, attachment_out
from hive.markings import Input, Millis, Text
from hive.tables import text_id
from hive.tasks.models import Log, Task

TaskStatus = Literal["Waiting", "InProgress", "Completed", "Cancel"]
Title = Annotated[str, Field(min_length=1, max_length=128)]
Group = Annotated[str, Field(min_length=1, max_length=64)]
Order = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Login = Annotated[str, Field(max_length=128)]


class InputTask(Input):
    title: Title
    group: Group = "default"
    description: Text | None = None
    status: TaskStatus = "Waiting"
    flag: bool = False
    start_date: Millis | None = None
    end_date: Millis | None = None
    order: Order = 0
    due_date: Millis | None = None
    assignee: Login | None = None
    mandatory: bool = False


class InputUpdateTask(Input):
    title: Title | None = None
    group: Group | None = None
    description: Text | None = None
    status: TaskStatus | None = None
    flag: bool | None = None
    start_date: Millis | None = None
    end_date: Millis | None = None
    order: Order | None = None
    due_date: Millis | None = None
    assignee: Login | None = None
    mandatory: bool | None = None


class InputBulkUpdateTask(InputUpdateTask):
    """The same change to every task of `ids`."""

    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in super().given().items() if name != "ids"}


class InputLog(Input):
    """`attachments`: thehive4py also sends the paths on the caller's disk here; they mean nothing to the server."""

    message: Text
    start_date: Millis | None = None
    include_in_timeline: Millis | None = None
    attachments: Any = None


class InputUpdateLog(Input):
    message: Text | None = None
    include_in_timeline: Millis | None = None


class OutputTask(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    title: str
    group: str
    description: NotRequired[str]
    status: TaskStatus
    flag: bool
    startDate: NotRequired[int]
    endDate: NotRequired[int]
    assignee: NotRequired[str]
    order: int
    dueDate: NotRequired[int]
    mandatory: bool
    extraData: dict[str, Any]
    timeToHandle: NotRequired[int]


class OutputLog(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    message: str
    date: int
    attachments: list[OutputAttachment]
    attachment: NotRequired[OutputAttachment]
    owner: str
    includeInTimeline: NotRequired[int]
    extraData: dict[str, Any]


def task_out(task: Task) -> OutputTask:
    handled = None if task.start_date is None or task.end_date is None else max(0, task.end_date - task.start_date)
    answer: OutputTask = {
        "_id": text_id(task.id), "_type": "Task", "_createdBy": task.created_by, "_createdAt": task.created_at,
        "version": task.version, "title": task.title, "group": task.task_group, "status": task.status,  # type: ignore[typeddict-item]
        "flag": task.flag, "order": task.ord, "mandatory": task.mandatory, "extraData": {},
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": task.updated_by, "_updatedAt": task.updated_at, "description": task.description,
        "startDate": task.start_date, "endDate": task.end_date, "assignee": task.assignee, "dueDate": task.due_date,
        "timeToHandle": handled,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer


def log_out(log: Log, attachments: Sequence[Attachment]) -> OutputLog:
    answer: OutputLog = {
        "_id": text_id(log.id), "_type": "Log", "_createdBy": log.created_by, "_createdAt": log.created_at,
        "version": log.version, "message": log.message, "date": log.date,
        "attachments": [attachment_out(a) for a in attachments], "owner": log.created_by, "extraData": {},
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": log.updated_by, "_updatedAt": log.updated_at, "includeInTimeline": log.include_in_timeline,
        # thehive4py 1.8 asks this API for a single log in its TheHive 4 mode and looks for the one file a log then had
        "attachment": answer["attachments"][0] if attachments else None,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
