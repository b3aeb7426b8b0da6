"""Attachments as the v1 API shows them."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from hive.attachments.models import Attachment
from hive.tables import text_id


class OutputAttachment(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    name: str
    hashes: list[str]
    size: int
    contentType: str
    id: str
    path: str
    extraData: dict[str, Any]
    external: bool


def attachment_out(attachment: Attachment) -> OutputAttachment:
    """`hashes` are SHA-256, SHA-1, MD5 in this order: consumers take the first; `id` is the content's hash, `_id` the file's."""
    sha256 = attachment.sha256.hex()
    return {
        "_id": text_id(attachment.id), "_type": "Attachment", "_createdBy": attachment.created_by,
        "_createdAt": attachment.created_at, "name": attachment.name, "hashes": [sha256, attachment.sha1, attachment.md5],
        "size": attachment.size, "contentType": attachment.content_type, "id": sha256, "path": "", "extraData": {},
        "external": False,
    }  # fmt: skip


class OutputAttachments(TypedDict):
    attachments: list[OutputAttachment]
