"""The poller: takes instances that are due, polls several at once, keeps their leases, and notes how it went."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from misp_connector.instances.announce import announce
from misp_connector.instances.model import Instance
from misp_connector.polling import lease, ledger
from misp_connector.polling.importer import Importer, LeaseLost
from misp_connector.polling.poll import Poll
from misp_connector.receivers.service import default_receivers
from misp_connector.sources.open import open_source
from misp_connector.sources.source import KeyRefused, SlowDown, Source, SourceDown, SourceError, Status
from waggle.blobs import BlobStore
from waggle.db import Database, Scope
from waggle.db.notify import Notifier
from waggle.security.outbound import OutboundGuard
from waggle.security.secretbox import SealBroken, SecretBox
from waggle.waiting import wait_at_most

log = structlog.get_logger(__name__)

CHANNEL = "polls"
"""NOTIFY channel: an instance has become due before its time."""

LOOK_SECONDS = 1.0
BEAT_SECONDS = lease.LEASE_SECONDS / 3
FIRST_PAUSE = 15.0
JITTER = 0.1
INTERNAL_ERROR = "internal error while importing; see the connector's log"

POLLS = Counter("misp_connector_polls_total", "Polls by how they ended", ["instance", "result"])
POLLED_AT = Gauge("misp_connector_last_ok_seconds", "When the last good poll ended, seconds since the epoch", ["instance"])


@dataclass(slots=True)
class Poller:
    database: Database
    blobs: BlobStore
    secrets: SecretBox
    guard: OutboundGuard
    notifier: Notifier
    claims_url: str
    feed_folders: tuple[Path, ...]
    parallel: int
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _sources: dict[int, tuple[int, Source]] = field(default_factory=dict)

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; then the polls that run are given back, to go on where they stopped."""
        try:
            while True:
                self._wake.clear()
                await self._start_due()
                await wait_at_most(self._wake, LOOK_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            for _, source in self._sources.values():
                source.close()

    async def _start_due(self) -> None:
        while len(self._running) < self.parallel:
            try:
                async with self.database.begin(Scope()) as session:
                    claimed = await lease.claim(session)
            except Exception as error:
                log.warning("poller_cannot_look", error=f"{type(error).__name__}: {error}")
                return
            if claimed is None:
                return
            task = asyncio.create_task(self.poll(claimed), name=f"poll {claimed.instance.name}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.wake()

    async def poll(self, claimed: lease.Lease) -> None:
        """One poll of a leased instance, with everything that becomes of it. Raises nothing but cancellation."""
        beat = asyncio.create_task(self._beat(claimed, asyncio.current_task()))
        try:
            await self._attempt(claimed)
        except asyncio.CancelledError:
            self._forget_source(claimed.instance)  # its thread may still be reading
            async with self.database.begin(Scope()) as session:
                await lease.release(session, claimed)
            raise
        except Exception as error:
            # the lease runs out by itself, and the instance is due again
            log.error("poll_not_recorded", instance=claimed.instance.name, exc_info=error)
        finally:
            beat.cancel()
            self.notifier.wake("outbox")

    async def _attempt(self, claimed: lease.Lease) -> None:
        instance = claimed.instance
        started = time.monotonic()
        try:
            organisations = await self._receivers(instance)
            source = self._source(instance)
            run = Poll(Importer(self.database, self.blobs, self.claims_url, claimed, source, organisations))
            status = await run.run()
        except LeaseLost:
            log.info("poll_given_up", instance=instance.name)
            POLLS.labels(instance.name, "lost").inc()
        except SourceError as error:
            await self._note_failure(claimed, error)
        except Exception as error:
            log.error("poll_failed", instance=instance.name, exc_info=error)
            await self._note_failure(claimed, SourceDown(INTERNAL_ERROR))
        else:
            took = round(time.monotonic() - started, 3)
            log.info("polled", instance=instance.name, seconds=took, **run.tally.counts)
            await self._note_success(claimed, status)

    async def _note_success(self, claimed: lease.Lease, status: Status) -> None:
        instance = claimed.instance
        async with self.database.begin(Scope()) as session:
            pause = instance.options.interval * (1 + random.random() * JITTER)  # noqa: S311 (spreads load, guards nothing)
            retry = await ledger.seconds_to_next_retry(session, instance=instance.id)
            if retry is not None:
                pause = min(pause, max(retry, 1.0))
            if await lease.finish(session, claimed, pause=pause, status=status):
                await announce(session, instance_id=instance.id)
        POLLS.labels(instance.name, "ok").inc()
        POLLED_AT.labels(instance.name).set_to_current_time()

    async def _note_failure(self, claimed: lease.Lease, error: SourceError) -> None:
        instance = claimed.instance
        log.warning("poll_failed", instance=instance.name, error=f"{type(error).__name__}: {error}")
        self._forget_source(instance)
        async with self.database.begin(Scope()) as session:
            failures = await lease.failures(session, claimed)
            pause = pause_after(error, failures=failures, interval=instance.options.interval)
            if await lease.finish(session, claimed, pause=pause, error=str(error)[:2000]):
                await announce(session, instance_id=instance.id)
        POLLS.labels(instance.name, "error").inc()

    async def _beat(self, claimed: lease.Lease, poll: asyncio.Task[None] | None) -> None:
        """Keeps the lease while a slow server answers; a lost lease ends the poll."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                async with self.database.begin(Scope()) as session:
                    kept = await lease.keep(session, claimed)
            except Exception as error:
                log.warning("lease_not_kept", instance=claimed.instance.name, error=str(error))
                continue
            if not kept and poll is not None:
                poll.cancel()
                return

    async def _receivers(self, instance: Instance) -> tuple[str, ...]:
        if instance.options.organisations:
            return instance.options.organisations
        async with self.database.begin(Scope()) as session:
            found = await default_receivers(session)
        if not found:
            raise KeyRefused("nobody receives its alerts: set its option organisations, or the default receivers")
        return found

    def _source(self, instance: Instance) -> Source:
        """The instance's source, kept between polls while its settings stay the same."""
        known = self._sources.get(instance.id)
        if known and known[0] == instance.version:
            return known[1]
        self._forget_source(instance)
        sealed = instance.key_sealed
        try:
            key = self.secrets.open(sealed, context=instance.seal_context).decode() if sealed else None
        except SealBroken as error:
            raise KeyRefused(f"the stored key cannot be read: {error}; set it again") from None
        source = open_source(instance, key=key, guard=self.guard, folders=self.feed_folders)
        self._sources[instance.id] = (instance.version, source)
        return source

    def _forget_source(self, instance: Instance) -> None:
        known = self._sources.pop(instance.id, None)
        if known:
            known[1].close()


def pause_after(error: SourceError, *, failures: int, interval: int) -> float:
    """Seconds: a refused key waits for the next interval, a 429 as long as it says, all else doubles up to the interval."""
    if isinstance(error, KeyRefused):
        return float(interval)
    if isinstance(error, SlowDown):
        return max(error.seconds, 1.0)
    return min(float(interval), FIRST_PAUSE * 2.0 ** min(failures, 20))
