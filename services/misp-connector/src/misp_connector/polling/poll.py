"""One poll of one instance: retries that are due, then everything published since the cursor, page by page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.instances.model import Instance
from misp_connector.mapping.event import Event
from misp_connector.polling import lease, ledger
from misp_connector.polling.filters import reason_to_skip
from misp_connector.polling.importer import Importer, LeaseLost
from misp_connector.polling.threads import in_thread
from misp_connector.sources.source import (
    EventGone,
    EventUnreadable,
    Head,
    KeyRefused,
    Page,
    Position,
    SlowDown,
    SourceDown,
    Status,
)
from waggle.db import Scope

log = structlog.get_logger(__name__)

MANY_IN_A_ROW = 5
"""Events that cannot be read one after another: then it is the source, not the event."""

CHUNK = 25
"""Events that are read with one request and written in one transaction, if they are small."""

CHUNK_ATTRIBUTES = 1250
FEW = 8
"""Fewer than that are not worth it."""

EVENTS = Counter("misp_connector_events_total", "Events by what became of them", ["instance", "result"])


@dataclass(slots=True)
class Tally:
    """What a poll did."""

    counts: dict[str, int] = field(default_factory=dict)
    in_a_row: int = 0

    def add(self, result: str, instance: Instance) -> None:
        self.counts[result] = self.counts.get(result, 0) + 1
        self.in_a_row = self.in_a_row + 1 if result == "failed" else 0
        EVENTS.labels(instance.name, result).inc()


@dataclass(frozen=True, slots=True)
class Poll:
    importer: Importer
    tally: Tally = field(default_factory=Tally)

    @property
    def instance(self) -> Instance:
        return self.importer.instance

    async def run(self) -> Status:
        """What the source says of itself. Raises SourceDown, KeyRefused or SlowDown when it cannot be read on, LeaseLost."""
        source = self.importer.source
        async with self._transaction() as session:
            last = await ledger.position(session, instance=self.instance.id)
            retries = await ledger.due_retries(session, instance=self.instance.id)
        await self._import_all(retries, {})
        pages = await in_thread(source.pages, self._with_overlap(last))
        while page := await in_thread(_next_page, pages):
            await self._handle(page)
        async with self._transaction() as session:
            await ledger.remember_etag(session, instance=self.instance.id, etag=source.etag())
        return await in_thread(source.status)

    def _transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.importer.database.begin(Scope())

    def _with_overlap(self, last: Position) -> Position:
        """The overlap covers servers whose clock jumps and publications that were committed late (threats R06)."""
        since = None if last.since is None else max(0, last.since - self.instance.options.overlap)
        if self.instance.options.max_age is not None:
            since = max(since or 0, int(time.time()) - self.instance.options.max_age)
        return Position(since, last.etag)

    async def _handle(self, page: Page) -> None:
        uuids = [head.uuid for head in page.heads]
        async with self._transaction() as session:
            known = await ledger.known_events(session, instance=self.instance.id, uuids=uuids)
        news = [head for head in page.heads if head.uuid not in known or known[head.uuid].is_news(head)]
        wanted = await self._filtered(news)
        await self._import_all(wanted, known)
        async with self._transaction() as session:
            if not await lease.keep(session, self.importer.lease):
                raise LeaseLost
            if page.reached is not None:
                await ledger.advance(session, instance=self.instance.id, reached=page.reached)

    async def _filtered(self, heads: Sequence[Head]) -> list[Head]:
        """The heads to import; the others are noted with the reason."""
        reasons = [reason_to_skip(head, options=self.instance.options, now=int(time.time())) for head in heads]
        if any(reasons):
            async with self._transaction() as session:
                for head, reason in zip(heads, reasons, strict=True):
                    if reason:
                        await ledger.settled(session, instance=self.instance.id, head=head, state="filtered", reason=reason)
                        self.tally.add("filtered", self.instance)
        return [head for head, reason in zip(heads, reasons, strict=True) if not reason]

    async def _import_all(self, heads: Sequence[Head], known: Mapping[str, ledger.KnownEvent]) -> None:
        """Many small events together; the rest, and whatever went wrong there, one by one."""
        for chunk in _chunks(heads):
            done = await self._import_chunk(chunk) if len(chunk) >= FEW else {}
            await self._import_each([head for head in chunk if head.uuid not in done], known)

    async def _import_chunk(self, heads: Sequence[Head]) -> dict[str, str]:
        """What became of those that went well; nothing is noted of a failure, because one by one it shows whose it is."""
        try:
            done = await self.importer.run_many(await self.importer.read_many(heads))
        except (KeyRefused, SlowDown, LeaseLost, OperationalError, InterfaceError, PoolTimeout, OSError):
            raise
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            log.info("events_one_by_one", instance=self.instance.name, reason=f"{type(error).__name__}: {error}"[:500])
            return {}
        for result in done.values():
            self.tally.add(result, self.instance)
        return done

    async def _import_each(self, heads: Sequence[Head], known: Mapping[str, ledger.KnownEvent]) -> None:
        """One after the other; while one is written, the next is read."""
        reading: asyncio.Task[Event] | None = None
        try:
            for place, head in enumerate(heads):
                current = reading or asyncio.create_task(self.importer.read(head))
                await asyncio.wait([current])
                following = heads[place + 1] if place + 1 < len(heads) else None
                reading = asyncio.create_task(self.importer.read(following)) if following else None
                await self._import(head, known.get(head.uuid), current)
        finally:
            if reading is not None:
                if _cancelled():
                    reading.cancel()
                # nobody else may use the source before its answer is there
                await asyncio.gather(reading, return_exceptions=True)

    async def _import(self, head: Head, known: ledger.KnownEvent | None, reading: asyncio.Task[Event]) -> None:
        """Imports one event; whatever is wrong with it is noted, and the next one is tried."""
        try:
            self.tally.add(await self.importer.run(head, reading.result()), self.instance)
        except EventGone as error:
            async with self._transaction() as session:
                await ledger.settled(session, instance=self.instance.id, head=head, state="gone", reason=str(error))
            self.tally.add("gone", self.instance)
        except EventUnreadable as error:
            await self._failed(head, str(error), known)
        except (SourceDown, KeyRefused, SlowDown, LeaseLost, OperationalError, InterfaceError, PoolTimeout, OSError):
            raise
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            log.error("event_failed", instance=self.instance.name, event_uuid=head.uuid, exc_info=error)
            await self._failed(head, f"{type(error).__name__}: {error}", known)

    async def _failed(self, head: Head, reason: str, known: ledger.KnownEvent | None) -> None:
        log.warning("event_not_imported", instance=self.instance.name, event_uuid=head.uuid, reason=reason[:500])
        async with self._transaction() as session:
            if known is None:
                found = await ledger.known_events(session, instance=self.instance.id, uuids=[head.uuid])
                known = found.get(head.uuid)
            await ledger.failed(session, instance=self.instance.id, head=head, reason=reason, known=known)
        self.tally.add("failed", self.instance)
        if self.tally.in_a_row >= MANY_IN_A_ROW:
            raise SourceDown(f"{MANY_IN_A_ROW} events in a row cannot be read; the last: {reason}")


def _chunks(heads: Sequence[Head]) -> Iterator[list[Head]]:
    """Runs of events that are small together; one whose size nobody knows stands alone."""
    chunk: list[Head] = []
    size = 0
    for head in heads:
        count = CHUNK_ATTRIBUTES if head.attribute_count is None else head.attribute_count
        if chunk and (len(chunk) == CHUNK or size + count > CHUNK_ATTRIBUTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(head)
        size += count
    if chunk:
        yield chunk


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _next_page(pages: Iterator[Page]) -> Page | None:
    return next(pages, None)
