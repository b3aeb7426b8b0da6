"""The exporter: takes exports that are due, carries them out, writes down and tells what came of each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import uuid5

import structlog
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.exporting import records, target
from misp_connector.exporting.neighbours import Neighbours, NotFetched
from misp_connector.exporting.records import Export, ExportLost
from misp_connector.exporting.report import results_of
from misp_connector.exporting.run import Done, Run
from misp_connector.exporting.server import ExportServer
from misp_connector.exporting.service import failure, reason_to_refuse
from misp_connector.exporting.target import Target
from misp_connector.exporting.wanted import held_back, wanted_event
from misp_connector.instances.model import Instance
from misp_connector.instances.service import instance_by_id
from misp_connector.publishing.alert_raised import NAMESPACE
from misp_connector.publishing.envelopes import claimed, data_of, envelope_of
from misp_connector.sources.open import open_client
from misp_connector.sources.source import SlowDown, SourceDown, SourceError
from waggle.blobs import BlobStore
from waggle.contracts.messages.misp import CaseExported, CaseExportFailed, ExportedCase, ExportFile
from waggle.db import Database, Scope
from waggle.db.notify import Notifier
from waggle.ids import now_ms
from waggle.messaging.outbox import enqueue
from waggle.security.outbound import OutboundGuard
from waggle.security.secretbox import SealBroken, SecretBox
from waggle.waiting import wait_at_most

log = structlog.get_logger(__name__)

CHANNEL = "exports"
"""NOTIFY channel: an export was asked for."""

LOOK_SECONDS = 2.0
BEAT_SECONDS = records.LEASE_SECONDS / 3
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 3600.0
GIVE_UP_AFTER = 30
"""Tries: a bit over a day."""

EXPORTS = Counter("misp_connector_exports_total", "Exports of cases by how they ended", ["instance", "result"])


class Hopeless(Exception):
    """The export cannot be done, now or later, as things are set."""


@dataclass(slots=True)
class Exporter:
    database: Database
    blobs: BlobStore
    secrets: SecretBox
    guard: OutboundGuard
    notifier: Notifier
    neighbours: Neighbours
    claims_url: str
    parallel: int
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; exports that run end where they are, and go on when their lease is over."""
        try:
            while True:
                self._wake.clear()
                await self._start_due()
                await wait_at_most(self._wake, LOOK_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        while len(self._running) < self.parallel:
            try:
                async with self.database.begin(Scope()) as session:
                    export = await records.claim(session)
            except Exception as error:
                log.warning("exporter_cannot_look", error=f"{type(error).__name__}: {error}")
                return
            if export is None:
                return
            task = asyncio.create_task(self.export(export), name=f"export {export.case_id}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.wake()

    async def export(self, export: Export) -> None:
        """One leased export, with everything that becomes of it. Raises nothing but cancellation."""
        beat = asyncio.create_task(self._beat(export, asyncio.current_task()))
        try:
            await self._attempt(export)
        except ExportLost:
            log.info("export_given_up", case=export.case_id)
        except Exception as error:
            # the lease runs out by itself, and the export is due again
            log.error("export_not_recorded", case=export.case_id, exc_info=error)
        finally:
            beat.cancel()
            self.notifier.wake("outbox")

    async def _attempt(self, export: Export) -> None:
        async with self.database.begin(Scope()) as session:
            instance = await instance_by_id(session, instance_id=export.instance_id)
            reason = await reason_to_refuse(session, instance=instance, organisation=export.organisation)
        try:
            if reason is not None:
                raise Hopeless(reason)
            case = await self._case(export)
            await self._carry_out(export, instance, case)
        except (Hopeless, NotFetched, SourceError) as error:
            await self._note_failure(export, instance, error)
        else:
            EXPORTS.labels(instance.name, "ok").inc()

    async def _case(self, export: Export) -> ExportedCase:
        ref = export.case_ref
        body = await self.neighbours.fetch(str(ref.url), sha256=ref.sha256, size=ref.size)
        try:
            return ExportedCase.model_validate_json(body)
        except ValidationError as error:
            raise Hopeless(f"the case cannot be read: {error.errors(include_url=False)[0]['msg']}") from None

    async def _carry_out(self, export: Export, instance: Instance, case: ExportedCase) -> None:
        sealed = instance.key_sealed
        try:
            key = self.secrets.open(sealed, context=instance.seal_context).decode() if sealed else None
        except SealBroken as error:
            raise Hopeless(f"the stored key cannot be read: {error}; set it again") from None
        client = open_client(instance, key=key, guard=self.guard)
        try:
            server = ExportServer(client)
            chosen = await target.choose(server, export=export, case=case, instance=instance)
            wanted = wanted_event(case, options=instance.options, event_uuid=chosen.uuid, extends=chosen.extends)
            async with self.database.begin(Scope()) as session:
                await records.planned(
                    session, export, event_uuid=chosen.uuid, strategy=chosen.strategy, attributes=wanted.members()
                )
                known = await records.recorded(session, export)
            same = export.event_uuid == chosen.uuid
            run = Run(
                server=server,
                content=self._content,
                options=instance.options,
                wanted=wanted,
                known=known,
                sent=export.sent if same else {},
                foreign=chosen.strategy == "edit",
                publish=instance.options.export_publish if export.publish is None else export.publish,
            )
            done = await run.run()
        finally:
            client.close()
        async with self.database.begin(Scope()) as session:
            await self._write(session, export, instance, case, run, done, chosen)

    async def _content(self, file: ExportFile) -> bytes:
        return await self.neighbours.fetch(str(file.url), sha256=file.sha256, size=file.size)

    async def _write(
        self,
        session: AsyncSession,
        export: Export,
        instance: Instance,
        case: ExportedCase,
        run: Run,
        done: Done,
        chosen: Target,
    ) -> None:
        """Our record and hive's message, together or not at all."""
        for one in run.wanted.members():
            became = done.became[one.uuid]
            result = "unchanged" if not became.ours else "created" if became.result in ("updated", "unchanged") else became.result
            if result != "skipped":
                await records.stored(session, export, uuid=became.uuid, wanted=one, result=result, reason=became.reason)
        for uuid in done.withdrawn:
            await records.withdrawn(session, export, uuid=uuid)
        sent = {"head": run.wanted.head, "tags": list(done.tags)}
        await records.finish(session, export, event_id=done.event_id, sent=sent, published=done.published, now=now_ms())
        message = CaseExported.model_validate(
            {
                "case_id": export.case_id,
                "instance": instance.name,
                "event_uuid": chosen.uuid,
                "event_id": done.event_id,
                "strategy": chosen.strategy,
                "published": done.published,
                "warnings": done.warnings,
                "results": results_of(case, run, done),
                "held": list(held_back(case)),
            }
        )
        envelope = envelope_of(
            message,
            id=uuid5(NAMESPACE, f"exported:{export.message_id}"),
            key=f"export:{export.case_id}:{instance.name}",
            organisation=export.organisation,
            causation_id=export.message_id,
            data_ref=await claimed(session, self.blobs, data_of(message), claims_url=self.claims_url),
        )
        await enqueue(session, [envelope])

    async def _note_failure(self, export: Export, instance: Instance, error: Exception) -> None:
        pause = pause_after(error, attempts=export.attempts)
        log.warning("export_failed", instance=instance.name, case=export.case_id, error=f"{type(error).__name__}: {error}")
        async with self.database.begin(Scope()) as session:
            await records.fail(session, export, error=str(error), pause=pause)
            if pause is None or export.attempts == 0:
                answer = CaseExportFailed(
                    case_id=export.case_id, instance=instance.name, error=str(error)[:2000], retryable=pause is not None
                )
                told = failure(answer, organisation=export.organisation, cause=export.message_id, attempt=export.attempts)
                await enqueue(session, [told])
        EXPORTS.labels(instance.name, "error").inc()

    async def _beat(self, export: Export, running: asyncio.Task[None] | None) -> None:
        """Keeps the lease while a slow server answers; a lost lease ends the export."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                async with self.database.begin(Scope()) as session:
                    kept = await records.keep(session, export)
            except Exception as error:
                log.warning("lease_not_kept", case=export.case_id, error=str(error))
                continue
            if not kept and running is not None:
                running.cancel()
                return


def pause_after(error: Exception, *, attempts: int) -> float | None:
    """Seconds until the next try; None where another try would end alike, or a day of tries was enough."""
    if isinstance(error, SlowDown):
        return max(error.seconds, 1.0)
    passing = isinstance(error, SourceDown) or (isinstance(error, NotFetched) and not error.lasting)
    if not passing or attempts >= GIVE_UP_AFTER:
        return None
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts, 20))
