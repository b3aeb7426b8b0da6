"""Reading a run request, in every form that clients send it: contracts/cortex.md §2.5."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.datastructures import UploadFile

from cortex.http import parsed
from cortex.jobs.requests import File, RunRequest
from cortex.jobs.schemas import NewJob
from cortex.markings import PAP_WORDS, TLP_WORDS
from waggle.blobs import BlobStore
from waggle.errors import BadRequest, InvalidFields
from waggle.web.fields import Fields

FILE_PARTS = ("data", "attachment")
CHUNK = 1 << 20
MAX_FILE_NAME = 500


async def run_request(fields: Fields, blobs: BlobStore, *, kind: str) -> RunRequest:
    """The request; its file goes to the blob store first. Raises InvalidFields and BadRequest."""
    given = parsed(NewJob, _flattened(fields.values))
    uploads = [upload for part in FILE_PARTS for upload in fields.files.get(part, [])]
    if len(uploads) > 1 or (uploads and given.data is not None):
        raise BadRequest("one file or one value is analysed at a time")
    data = _data(given.data, kind)
    if not uploads and data is None:
        raise InvalidFields.missing("data/attachment")
    return RunRequest(
        data_type=given.dataType,
        data=data,
        file=await _stored(uploads[0], blobs) if uploads else None,
        tlp=TLP_WORDS[given.tlp],
        pap=PAP_WORDS[given.pap],
        message=given.message,
        parameters=given.parameters,
        label=given.label,
        force=given.force,
    )


def _flattened(values: dict[str, Any]) -> dict[str, Any]:
    """The form of Cortex 1, which its web page still sends: all but the data under `attributes`."""
    attributes = values.get("attributes")
    if isinstance(attributes, str):
        try:
            attributes = orjson.loads(attributes)
        except orjson.JSONDecodeError:
            return values
    return {**attributes, **values} if isinstance(attributes, dict) else values


def _data(value: Any, kind: str) -> str | None:
    """An analyzer's data is a text; a responder's any JSON value, kept as its text."""
    if value is None:
        return None
    if kind == "responder":
        return orjson.dumps(value).decode()
    if isinstance(value, str):
        if not value:
            raise InvalidFields.missing("data/attachment")
        return value
    raise InvalidFields.invalid("data", "a text is needed")


async def _chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await upload.read(CHUNK):
        yield chunk


async def _stored(upload: UploadFile, blobs: BlobStore) -> File:
    name = (upload.filename or "file")[:MAX_FILE_NAME]
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(await blobs.put(_chunks(upload)), name, upload.content_type or guessed)
