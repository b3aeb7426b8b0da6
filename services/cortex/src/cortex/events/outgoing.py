"""The messages cortex sends, made from its rows. Envelopes are unsigned here; the relay's bus signs them."""

from __future__ import annotations

from typing import Any, Literal, cast
from uuid import UUID, uuid5

import orjson
from pydantic import AnyUrl
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.events.links import JobRequest, Link
from cortex.jobs.models import Blob as BlobRow
from cortex.jobs.models import Job, Report
from cortex.jobs.reports import artifacts_of, files_of, full_of
from cortex.workers.models import Worker
from waggle.blobs import Blob, BlobStore
from waggle.contracts.envelope import MESSAGE_LIMIT, DataRef, Envelope
from waggle.contracts.messages.analysis import (
    AnalysisCompleted,
    AnalysisStarted,
    CatalogWorker,
    ReportArtifact,
    Summary,
    WorkerCatalogChanged,
)
from waggle.contracts.messages.base import FileRef, Message
from waggle.contracts.vocabulary import pap_word, tlp_word
from waggle.ids import now_ms, uuid7

NAMESPACE = UUID("b3f0a6c2-6d0e-5b7a-9a51-3f1f5b8f0c11")
"""Of the ids of messages that follow from a request: the same answer made twice has the same id."""
INLINE_REPORT = 128 * 1024
"""Longer reports are named, not carried; bytes of JSON."""
HEADROOM = 4096
ENDED = {"Success": "Success", "Failure": "Failure", "Deleted": "Deleted"}


class Outgoing:
    """Makes envelopes for one sender. `claims_url` is where receivers fetch what a message only names."""

    def __init__(self, *, sender: str, claims_url: str, blobs: BlobStore) -> None:
        self._sender = sender
        self._claims_url = claims_url
        self._blobs = blobs

    def _envelope(self, request: JobRequest, message: Message, *, what: str) -> Envelope:
        natural = f"{self._sender}|{request.sender}|{request.organisation}|{request.request_id}|{what}"
        return Envelope(
            id=uuid5(NAMESPACE, natural),
            type=message.type,
            source=self._sender,
            time=now_ms(),
            organisation=request.organisation,
            key=f"job:{request.request_id}",
            request_id=request.trace,
            causation_id=request.message_id,
            data=message.model_dump(mode="json", exclude_none=True),
        )

    def started(self, request: JobRequest, job: Job) -> Envelope:
        message = AnalysisStarted(job_id=request.request_id, cortex_job_id=job.id.hex, attempt=max(1, job.attempt))
        return self._envelope(request, message, what=f"started {job.attempt}")

    def refused(self, request: JobRequest, reason: str) -> Envelope:
        """The end of a request that made no job."""
        message = AnalysisCompleted(job_id=request.request_id, status="Failure", error_message=reason)
        return self._envelope(request, message, what="completed")

    async def completed(self, session: AsyncSession, request: JobRequest, job: Job) -> Envelope:
        """The end of a job. What is too long for a message lies in the blob store, where the receiver fetches it."""
        message = AnalysisCompleted(
            job_id=request.request_id,
            cortex_job_id=job.id.hex,
            status=cast(Literal["Success", "Failure", "Deleted"], job.status),
            error_message=job.error_message,
            from_cache=request.from_cache,
            **(await self._report(session, job) if job.status == "Success" else {}),
        )
        envelope = self._envelope(request, message, what="completed")
        if len(envelope.encode()) <= MESSAGE_LIMIT - HEADROOM:
            return envelope
        reference = await self._referred(session, orjson.dumps(envelope.data))
        return envelope.model_copy(update={"data": None, "data_ref": reference})

    async def _report(self, session: AsyncSession, job: Job) -> dict[str, Any]:
        report = (await session.scalars(select(Report).where(Report.job_id == job.id))).one()
        content: dict[str, Any] = {"summary": Summary.model_validate(report.summary), "operations": tuple(report.operations)}
        text = orjson.dumps(await full_of(report, self._blobs))
        if len(text) > INLINE_REPORT:
            content["report_ref"] = await self._referred(session, text)
        else:
            content["report"] = orjson.loads(text)
        return {**content, "artifacts": await self._artifacts(session, job)}

    async def _artifacts(self, session: AsyncSession, job: Job) -> tuple[ReportArtifact, ...]:
        found = await artifacts_of(session, job=job)
        files = await files_of(session, (a.attachment_id for a in found))
        shown = []
        for artifact in found:
            file = files[artifact.attachment_id] if artifact.attachment_id is not None else None
            reference = file and FileRef(
                name=file.name,
                content_type=file.content_type,
                size=file.size,
                sha256=file.sha256,
                url=AnyUrl(f"{self._claims_url}/{file.sha256}"),
            )
            shown.append(
                ReportArtifact(
                    data_type=artifact.data_type,
                    data=artifact.data,
                    file=reference,
                    tags=tuple(artifact.tags),
                    tlp=tlp_word(artifact.tlp),
                    message=artifact.message,
                )
            )
        return tuple(shown)

    async def _referred(self, session: AsyncSession, content: bytes) -> DataRef:
        blob = await self._blobs.put(content)
        await _register(session, blob)
        return DataRef(sha256=blob.sha256, size=blob.size, url=AnyUrl(f"{self._claims_url}/{blob.sha256}"))

    async def catalog(self, session: AsyncSession, link: Link) -> Envelope:
        """All workers of the organisation that the sender of requests is linked to."""
        query = select(Worker).where(Worker.org_id == link.org_id).order_by(Worker.kind, Worker.name)
        workers = tuple(_in_catalog(worker) for worker in await session.scalars(query))
        message = WorkerCatalogChanged(workers=workers)
        return Envelope(
            id=uuid7(),
            type=message.type,
            source=self._sender,
            time=now_ms(),
            organisation=link.organisation,
            key=f"catalog:{link.organisation}",
            data=message.model_dump(mode="json", exclude_none=True),
        )


def _in_catalog(worker: Worker) -> CatalogWorker:
    return CatalogWorker(
        id=worker.id,
        name=worker.name,
        version=worker.flavor_version,
        kind="responder" if worker.kind == "responder" else "analyzer",
        data_types=tuple(worker.data_types),
        max_tlp=None if worker.max_tlp is None else tlp_word(worker.max_tlp),
        max_pap=None if worker.max_pap is None else pap_word(worker.max_pap),
    )


async def _register(session: AsyncSession, blob: Blob) -> None:
    hashes = {"sha256": bytes.fromhex(blob.sha256), "sha1": bytes.fromhex(blob.sha1), "md5": bytes.fromhex(blob.md5)}
    await session.execute(insert(BlobRow).values(**hashes, size=blob.size).on_conflict_do_nothing())
