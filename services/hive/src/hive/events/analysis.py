"""News from cortex: a job began, a job ended, the list of workers changed."""

from __future__ import annotations

import orjson
from sqlalchemy import select

from hive.analysis.models import CortexServer, Worker
from hive.analysis.outcomes import FoundArtifact, Outcome
from hive.analysis.reports import kept, storable, words
from hive.analysis.service import complete, find_run, started
from hive.analysis.workers import replace_catalogue
from hive.attachments.files import StoredFile, media_type, plain_name
from hive.events.common import caller_for, message_of, once
from hive.neighbours import fetch_data, fetch_file
from hive.platform import Hive
from waggle.contracts.messages.analysis import AnalysisCompleted, AnalysisStarted, ReportArtifact, WorkerCatalogChanged
from waggle.errors import NotFound
from waggle.messaging import Delivery, Poison
from waggle.messaging.inbox import first_time

MAX_ARTIFACTS = 5000


async def on_analysis(hive: Hive, delivery: Delivery) -> None:
    """The handler of queue hive.analysis."""
    kind = delivery.envelope.type
    if kind == AnalysisStarted.type:
        await _on_started(hive, delivery)
    elif kind == AnalysisCompleted.type:
        await _on_completed(hive, delivery)
    elif kind == WorkerCatalogChanged.type:
        await _on_catalogue(hive, delivery)
    else:
        raise Poison(f"{kind} does not belong in this queue")


async def _on_started(hive: Hive, delivery: Delivery) -> None:
    message = await message_of(hive, delivery, AnalysisStarted)
    caller = await caller_for(hive, delivery.envelope)
    async with once(hive, delivery, caller) as session:
        if session is None:
            return
        try:
            run = await find_run(session, message.job_id)
        except NotFound:
            raise Poison(f"there is no job {message.job_id} in {caller.organisation}") from None
        await started(session, caller, run, cortex_job_id=message.cortex_job_id, attempt=message.attempt)


async def _on_completed(hive: Hive, delivery: Delivery) -> None:
    message = await message_of(hive, delivery, AnalysisCompleted)
    caller = await caller_for(hive, delivery.envelope)
    outcome = await outcome_of(hive, message)
    catalogue = await hive.catalogues.current()
    async with once(hive, delivery, caller) as session:
        if session is None:
            return
        try:
            run = await find_run(session, message.job_id)
        except NotFound:
            raise Poison(f"there is no job {message.job_id} in {caller.organisation}") from None
        await complete(session, caller, run, outcome, catalogue)


async def outcome_of(hive: Hive, message: AnalysisCompleted) -> Outcome:
    """What a message says about a job's end, its large parts fetched and stored."""
    report = message.report
    if message.report_ref is not None:
        ref = message.report_ref
        report = orjson.loads(await fetch_data(hive, str(ref.url), sha256=ref.sha256, size=ref.size))
    report = storable(report)
    body, sha256 = await kept(hive, report)
    return Outcome(
        status=message.status, error=storable(message.error_message), report=body, report_sha256=sha256,
        words=words(report), verdicts=[storable(line.model_dump()) for line in message.summary.taxonomies],
        artifacts=[await _artifact(hive, one) for one in message.artifacts[:MAX_ARTIFACTS]],
        operations=[storable(one) for one in message.operations], cortex_job_id=message.cortex_job_id,
    )  # fmt: skip


async def _artifact(hive: Hive, found: ReportArtifact) -> FoundArtifact:
    file = None
    if found.file is not None:
        blob = await fetch_file(hive, str(found.file.url), sha256=found.file.sha256, size=found.file.size)
        name = plain_name(found.file.name)
        content_type = media_type(found.file.content_type, name)
        file = StoredFile(name, content_type, blob.size, bytes.fromhex(blob.sha256), blob.sha1, blob.md5)
    return FoundArtifact(
        data_type=found.data_type, data=storable(found.data), file=file, tlp=found.tlp, tags=storable(found.tags),
        message=storable(found.message),
    )  # fmt: skip


async def _on_catalogue(hive: Hive, delivery: Delivery) -> None:
    """The workers of one cortex instance; the source names it (`cortex@paris`), or it is the only one there is."""
    message = await message_of(hive, delivery, WorkerCatalogChanged)
    instance = delivery.envelope.source.partition("@")[2]
    async with hive.database.system() as session:
        if not await first_time(session, delivery.queue, delivery.envelope.id):
            return
        servers = list(await session.scalars(select(CortexServer).where(CortexServer.kind == "bus").with_for_update()))
        chosen = [s for s in servers if s.name == instance] if instance else servers
        if len(chosen) != 1:
            raise Poison(f"no cortex server of kind bus fits the sender {delivery.envelope.source}")
        told = int(chosen[0].state.get("catalogue_at", 0))
        if delivery.envelope.time < told:
            return
        chosen[0].state = {**chosen[0].state, "catalogue_at": delivery.envelope.time}
        listed = [
            Worker(
                worker_id=one.id, name=one.name, version=one.version, description="", kind=one.kind,
                data_types=list(one.data_types), max_tlp=one.max_tlp, max_pap=one.max_pap,
            )
            for one in message.workers
        ]  # fmt: skip
        await replace_catalogue(session, chosen[0], listed)
