"""The consumer of `analysis.requested.v1` and `analysis.cancelled.v1`.

Whatever is asked gets an answer: a request that cannot be served ends as a Failure with the reason, not as a dead letter.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg
import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.engine import Engine
from cortex.events import links
from cortex.events.fetching import FetchFailed, FetchRefused, Neighbours
from cortex.events.links import JobRequest
from cortex.events.outgoing import Outgoing
from cortex.jobs import service as jobs
from cortex.jobs.models import ENDED
from cortex.jobs.requests import File, RunRequest
from cortex.workers.targets import find_target
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.analysis import AnalysisCancelled, AnalysisRequested
from waggle.errors import WaggleError
from waggle.messaging import Delivery, Poison, Retry
from waggle.messaging.inbox import first_time
from waggle.messaging.outbox import enqueue

log = structlog.get_logger(__name__)
CONSUMER = "cortex.analysis"
FETCH_ATTEMPTS = 4
"""After so many tries a file that cannot be fetched ends the request."""
NOT_MAPPED = (
    "{0} may not use this Cortex for the organisation {1}: link them with `cortex seed` (service_links), "
    "to a user that is not locked."
)
NO_JOB = UUID(int=0)


class Consumer:
    """Handles one queue's deliveries; each in one transaction that begins with the inbox."""

    def __init__(self, engine: Engine, outgoing: Outgoing, neighbours: Neighbours) -> None:
        self._engine = engine
        self._outgoing = outgoing
        self._neighbours = neighbours

    async def handle(self, delivery: Delivery) -> None:
        message = delivery.message
        if message is None:
            message = await self._referred(delivery)
        if isinstance(message, AnalysisRequested):
            await self._requested(delivery, message)
        elif isinstance(message, AnalysisCancelled):
            await self._cancelled(delivery.envelope, message)
        else:
            raise Poison(f"cortex handles no {delivery.envelope.type}")

    async def _referred(self, delivery: Delivery) -> AnalysisRequested:
        """The request whose data was too long for its message."""
        reference = delivery.envelope.data_ref
        if reference is None or delivery.envelope.type != AnalysisRequested.type:
            raise Poison("the message has no data")
        blobs = self._engine.blobs
        try:
            blob = await self._neighbours.fetch(reference.url, sha256=reference.sha256, size=reference.size, blobs=blobs)
        except FetchFailed as error:
            log.warning("claim_not_fetched", error=str(error), attempt=delivery.attempt)
            raise Retry() from None
        except FetchRefused as error:
            raise Poison(f"the message's data cannot be fetched: {error}") from None
        content = b"".join([chunk async for chunk in blobs.open(blob.sha256)])
        try:
            return AnalysisRequested.model_validate(orjson.loads(content))
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise Poison(f"the message's data is not what it should be: {error}") from None

    async def _requested(self, delivery: Delivery, message: AnalysisRequested) -> None:
        envelope = delivery.envelope
        file = None
        refusal: str | None = None
        if message.file is not None:
            file, refusal = await self._file(delivery, message)
        async with self._engine.database.system() as session:
            actor = await links.actor_for(
                session, sender=envelope.source, organisation=envelope.organisation, trace=envelope.request_id
            )
        request = _request_of(envelope, message.job_id)
        if actor is None:
            refusal = NOT_MAPPED.format(envelope.source, envelope.organisation or "(none)")
        elif not actor.holds("analyze"):
            refusal = f"The user {actor.login} of this Cortex may not analyze"
        if actor is None or refusal is not None:
            await self._refuse(envelope, request, refusal or "")
            return
        wanted = RunRequest(
            data_type=message.data_type,
            data=message.data,
            file=file,
            tlp=message.tlp,
            pap=message.pap,
            message=message.message,
            parameters=message.parameters,
            label=message.label,
            force=message.force,
            deadline=message.deadline,
        )
        async with self._engine.database.begin(actor.scope) as session:
            if not await first_time(session, CONSUMER, envelope.id):
                return
            if await links.find_request(
                session, sender=request.sender, organisation=request.organisation, request_id=request.request_id
            ):
                return
            try:
                connection = await driver_connection(session)
                target = await find_target(
                    connection, actor, self._engine.targets, kind=message.kind, worker_id=message.worker_id, name=message.name
                )
                run = await jobs.run(
                    connection,
                    actor,
                    target=target,
                    request=wanted,
                    default_cache_minutes=self._engine.settings.job_cache_minutes,
                )
            except WaggleError as error:
                if error.status >= 500:
                    raise
                await enqueue(session, [self._outgoing.refused(request, error.message)])
            else:
                await self._answer(session, request, run, organisation=actor.organisation)
        self._engine.notifier.wake("dispatch")
        self._engine.notifier.wake("outbox")

    async def _answer(self, session: AsyncSession, request: JobRequest, run: jobs.Run, *, organisation: str) -> None:
        """Ties the request to its job. A job that has ended, or runs for somebody else already, is told of here and now:
        its own announcement has been made, or will not name this request."""
        job = run.job
        tied = JobRequest(
            sender=request.sender,
            organisation=request.organisation,
            request_id=request.request_id,
            job_id=job.id,
            message_id=request.message_id,
            trace=request.trace,
            org_id=organisation,
            from_cache=run.from_cache,
        )
        if not await links.remember(session, tied):
            return
        if job.status in ENDED:
            await enqueue(session, [await self._outgoing.completed(session, tied, job)])
        elif job.status == "InProgress":
            await enqueue(session, [self._outgoing.started(tied, job)])

    async def _file(self, delivery: Delivery, message: AnalysisRequested) -> tuple[File | None, str | None]:
        """The request's file from its owner, or why it cannot be had."""
        reference = message.file
        assert reference is not None
        try:
            blob = await self._neighbours.fetch(
                reference.url, sha256=reference.sha256, size=reference.size, blobs=self._engine.blobs
            )
        except FetchFailed as error:
            if delivery.attempt < FETCH_ATTEMPTS:
                log.warning("file_not_fetched", error=str(error), attempt=delivery.attempt)
                raise Retry() from None
            return None, f"The file cannot be fetched: {error}"
        except FetchRefused as error:
            return None, f"The file cannot be fetched: {error}"
        return File(blob, reference.name, reference.content_type), None

    async def _refuse(self, envelope: Envelope, request: JobRequest, reason: str) -> None:
        log.warning("analysis_refused", sender=envelope.source, organisation=envelope.organisation, reason=reason)
        async with self._engine.database.system() as session:
            if await first_time(session, CONSUMER, envelope.id):
                await enqueue(session, [self._outgoing.refused(request, reason)])
        self._engine.notifier.wake("outbox")

    async def _cancelled(self, envelope: Envelope, message: AnalysisCancelled) -> None:
        """Stops the job, unless others wait for it too. Nothing is answered: the sender has ended its side itself."""
        async with self._engine.database.system() as session:
            actor = await links.actor_for(
                session, sender=envelope.source, organisation=envelope.organisation, trace=envelope.request_id
            )
        if actor is None:
            raise Poison(NOT_MAPPED.format(envelope.source, envelope.organisation or "(none)"))
        async with self._engine.database.begin(actor.scope) as session:
            if not await first_time(session, CONSUMER, envelope.id):
                return
            known = await links.find_request(
                session, sender=envelope.source, organisation=envelope.organisation or "", request_id=message.job_id
            )
            if known is None:
                return
            await links.forget(session, known)
            others = await links.requests_of(session, [known.job_id])
            job = await jobs.get_job(session, actor, job_id=known.job_id.hex)
            if not others and not known.from_cache and job.status not in ENDED:
                await jobs.delete_job(session, actor, job_id=known.job_id.hex)
        for channel in ("job_deleted", "job_ended", "announcements"):
            self._engine.notifier.wake(channel)


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The driver's connection under a session, in the session's transaction."""
    found = (await (await session.connection()).get_raw_connection()).driver_connection
    assert isinstance(found, asyncpg.Connection)
    return found


def _request_of(envelope: Envelope, request_id: str) -> JobRequest:
    """The request before a job answers it."""
    return JobRequest(
        sender=envelope.source,
        organisation=envelope.organisation or "",
        request_id=request_id,
        job_id=NO_JOB,
        message_id=envelope.id,
        trace=envelope.request_id,
        org_id="",
        from_cache=False,
    )
