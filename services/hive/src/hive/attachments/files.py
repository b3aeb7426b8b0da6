"""Taking in uploaded files: content to the blob store, a row per content, the plain file name."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.datastructures import UploadFile

from waggle.blobs import Blob, BlobMissing, BlobStore
from waggle.db import Database
from waggle.errors import Unavailable

CHUNK = 1 << 20
MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
UNKNOWN_TYPE = "application/octet-stream"
# A content that is known is marked as just seen, so that the sweep leaves it alone; `made` where it was not known.
REMEMBER = """INSERT INTO blobs (sha256, sha1, md5, size) VALUES ($1, $2, $3, $4)
  ON CONFLICT (sha256) DO UPDATE SET seen_at = now() WHERE blobs.seen_at < now() - interval '1 hour' RETURNING xmax = 0 AS made"""
TRIES = 3
Content = Path | bytes | Callable[[], AsyncIterator[bytes]]
"""What can be read again from its beginning."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose content is in the blob store; `size` is bytes."""

    name: str
    content_type: str
    size: int
    sha256: bytes
    sha1: str
    md5: str


def plain_name(sent: str | None) -> str:
    """The base name of a sent file name: never a path, never empty (threats S26)."""
    name = PurePosixPath((sent or "").replace("\\", "/").replace("\0", "")).name
    return name[:255] if name not in ("", ".", "..") else "unnamed"


def media_type(sent: str | None, name: str) -> str:
    """The content type as sent, else guessed from the name."""
    if sent and MEDIA_TYPE.fullmatch(sent.split(";")[0].strip()):
        return sent.split(";")[0].strip().lower()
    return mimetypes.guess_type(name)[0] or UNKNOWN_TYPE


async def _chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    await upload.seek(0)
    while chunk := await upload.read(CHUNK):
        yield chunk


async def keep(blobs: BlobStore, database: Database, content: Content) -> Blob:
    """Stores a content and its row, on their own: what nothing refers to within a day is swept away.

    The sweep may take an old copy away between the two; its file is then written again.
    """
    for _ in range(TRIES):
        blob = await blobs.put(content() if callable(content) else content)
        rows = await database.fetch(REMEMBER, bytes.fromhex(blob.sha256), blob.sha1, blob.md5, blob.size)
        if not (rows and rows[0]["made"]) or await _is_there(blobs, blob):
            return blob
    raise Unavailable("the file could not be kept; send it again")


async def _is_there(blobs: BlobStore, blob: Blob) -> bool:
    try:
        async for _ in blobs.open(blob.sha256):
            break
    except BlobMissing:
        return False
    return True


async def store(blobs: BlobStore, database: Database, content: Content, *, name: str, content_type: str | None) -> StoredFile:
    blob = await keep(blobs, database, content)
    plain = plain_name(name)
    return StoredFile(plain, media_type(content_type, plain), blob.size, bytes.fromhex(blob.sha256), blob.sha1, blob.md5)


async def store_upload(blobs: BlobStore, database: Database, upload: UploadFile) -> StoredFile:
    return await store(blobs, database, lambda: _chunks(upload), name=upload.filename or "", content_type=upload.content_type)
