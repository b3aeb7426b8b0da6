"""The timeline as the v1 API takes and shows it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.markings import Input, Millis, Text
from hive.tables import text_id
from hive.timeline.models import CustomEvent

Title = Annotated[str, Field(min_length=1, max_length=128)]


class InputCustomEvent(Input):
    date: Millis
    title: Title
    end_date: Millis | None = None
    description: Text | None = None


class InputUpdateCustomEvent(Input):
    date: Millis | None = None
    title: Title | None = None
    end_date: Millis | None = None
    description: Text | None = None


class OutputCustomEvent(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    date: int
    endDate: NotRequired[int]
    title: str
    description: NotRequired[str]


class OutputTimelineEvent(TypedDict):
    date: int
    kind: str
    entity: str
    entityId: str
    details: dict[str, Any]
    endDate: NotRequired[int]


class OutputTimeline(TypedDict):
    events: list[OutputTimelineEvent]


def event_out(event: CustomEvent) -> OutputCustomEvent:
    answer: OutputCustomEvent = {
        "_id": text_id(event.id), "_type": "CustomEvent", "_createdBy": event.created_by, "_createdAt": event.created_at,
        "version": event.version, "date": event.date, "title": event.title,
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": event.updated_by, "_updatedAt": event.updated_at, "endDate": event.end_date,
        "description": event.description,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
