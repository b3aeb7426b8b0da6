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
from cortex.markings import TLP_NUMBERS
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
    if report.full_sha256 is None:
        return report.full or {}
    try:
        content = b"".join([chunk async for chunk in blobs.open(report.full_sha256.hex())])
    except BlobMissing:
        raise NotFound("the report's content is not in the store: is CORTEX_BLOBS that of the runner?") from None
    full = orjson.loads(content)
    assert isinstance(full, dict)
    return full


async def report_of(session: AsyncSession, blobs: BlobStore, *, job: Job, with_input: bool) -> dict[str, Any] | str:
    """The `report` of a job as the API shows it: an object when it has ended, else a word (contracts/cortex.md §2.6)."""
    if job.status in PENDING:
        return PENDING[job.status]
    if job.status == "Failure":
        shown = shown_input(job, full=with_input)
        given = None if shown is None else orjson.dumps(shown).decode()
        return {"success": False, "errorMessage": job.error_message or "", "input": given}
    report = (await session.scalars(select(Report).where(Report.job_id == job.id))).one()
    found = await artifacts_of(session, job=job)
    files = await files_of(session, (a.attachment_id for a in found))
    return {
        "summary": report.summary,
        "full": await full_of(report, blobs),
        "success": True,
        "artifacts": [_in_report(artifact, files) for artifact in found],
        "operations": report.operations,
    }


def shown_input(job: Job, *, full: bool) -> dict[str, Any] | None:
    """What the worker was given; its configuration is for organisation administrators alone."""
    if job.input is None or full:
        return job.input
    return {name: value for name, value in job.input.items() if name != "config"}


def _in_report(artifact: Artifact, files: dict[int, StoredFile]) -> dict[str, Any]:
    """`tags` and `tlp` are always there: TheHive drops all artifacts when one lacks them."""
    shown: dict[str, Any] = {"dataType": artifact.data_type, "message": artifact.message}
    shown |= {"tags": artifact.tags, "tlp": TLP_NUMBERS[artifact.tlp]}
    if artifact.attachment_id is None:
        return {**shown, "data": artifact.data}
    file = files[artifact.attachment_id]
    attachment = {"contentType": file.content_type, "id": file.sha256, "name": file.name, "size": file.size}
    return {**shown, "attachment": attachment}
