"""Reports and artifacts of jobs, and the files they name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.jobs.models import Artifact, Attachment, Blob, Job, Report
from waggle.blobs import BlobMissing, BlobStore
from waggle.errors import NotFound

PENDING = {"Waiting": "Waiting", "InProgress": "Running", "Deleted": "Deleted"}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a job or an artifact. `sha256` is hex; it is the file's id in the API."""

    name: str
    content_type: str
    size: int
    sha256: str
    hashes: tuple[str, str, str]


async def files_of(session: AsyncSession, ids: Iterable[int | None]) -> dict[int, StoredFile]:
    """The files behind attachment ids."""
    wanted = [i for i in ids if i is not None]
    if not wanted:
        return {}
    query = select(Attachment, Blob).join(Blob, Blob.sha256 == Attachment.sha256).where(Attachment.id.in_(wanted))
    return {a.id: _stored(a, blob) for a, blob in (await session.execute(query)).tuples()}


def _stored(attachment: Attachment, blob: Blob) -> StoredFile:
    hashes = (blob.sha256.hex(), blob.sha1.hex(), blob.md5.hex())
    return StoredFile(attachment.name, attachment.content_type, blob.size, hashes[0], hashes)


async def file_by_hash(session: AsyncSession, actor: Actor, *, sha256: str) -> StoredFile:
    """A file of the caller's organisation by its content's hash. Raises NotFound."""
    try:
        key = bytes.fromhex(sha256)
    except ValueError:
        raise NotFound(f"file {sha256} not found") from None
    query = select(Attachment, Blob).join(Blob, Blob.sha256 == Attachment.sha256)
    own = query.where(Attachment.org_id == actor.organisation, Attachment.sha256 == key).limit(1)
    row = (await session.execute(own)).first()
    if row is None:
        raise NotFound(f"file {sha256} not found")
    return _stored(*row.tuple())


async def artifacts_of(session: AsyncSession, *, job: Job) -> list[Artifact]:
    return list(await session.scalars(select(Artifact).where(Artifact.job_id == job.id).order_by(Artifact.id)))


async def full_of(report: Report, blobs: BlobStore) -> dict[str, Any]:
    """The full report, from the blob store where it is long."""
    return report.full or {} if report.full_sha256 is None else await content_of(report.full_sha256, blobs)


async def content_of(sha256: bytes, blobs: BlobStore) -> dict[str, Any]:
    """A long report's content."""
    try:
        content = b"".join([chunk async for chunk in blobs.open(sha256.hex())])
    except BlobMissing:
        raise NotFound("the report's content is not in the store: is CORTEX_BLOBS that of the runner?") from None
    full = orjson.loads(content)
    assert isinstance(full, dict)
    return full


def shown_input(job: Job, *, full: bool) -> dict[str, Any] | None:
    """What the worker was given; its configuration is for organisation administrators alone."""
    if job.input is None or full:
        return job.input
    return {name: value for name, value in job.input.items() if name != "config"}
