"""Comments as the v1 API takes and shows them: the one object whose common fields have no underscore (hive-v1 §3.2)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.comments.models import Comment
from hive.markings import Input, Text
from hive.tables import text_id

Message = Annotated[Text, Field(min_length=1)]


class InputComment(Input):
    message: Message
    external: bool = False


class InputUpdateComment(Input):
    message: Message


class OutputComment(TypedDict):
    _id: str
    _type: str
    createdBy: str
    createdAt: int
    updatedAt: NotRequired[int]
    updatedBy: NotRequired[str]
    version: int
    message: str
    isEdited: bool
    extraData: dict[str, Any]
    external: bool


def comment_out(comment: Comment) -> OutputComment:
    answer: OutputComment = {
        "_id": text_id(comment.id), "_type": "Comment", "createdBy": comment.created_by, "createdAt": comment.created_at,
        "version": comment.version, "message": comment.message, "isEdited": comment.updated_at is not None, "extraData": {},
        "external": comment.external,
    }  # fmt: skip
    if comment.updated_at is not None and comment.updated_by is not None:
        answer["updatedAt"], answer["updatedBy"] = comment.updated_at, comment.updated_by
    return answer
