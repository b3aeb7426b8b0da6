"""One subscription of PostgresBus: claims in batches, handles with some concurrency, answers in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from waggle.messaging.bus import BusUnavailable, Handler, Queue
from waggle.messaging.policy import Again, Dead, Done, Outcome, handle
from waggle.messaging.signing import Keyring
from waggle.waiting import wait_at_most

log = structlog.get_logger("waggle.messaging")

POLL_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 0.5
DRAIN_SECONDS: Final = 30.0
FLUSH_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Claimed:
    id: int
    lease: UUID
    body: bytes
    attempt: int


class Consumer:
    def __init__(
        self,
        connection: Callable[[], AbstractAsyncContextManager[Any]],
        queue: Queue,
        handler: Handler,
        *,
        keyring: Keyring,
        ladder: Sequence[float],
        lease: float,
        prefetch: int,
        concurrency: int,
    ) -> None:
        self.declared = asyncio.Event()
        self._connection = connection
        self._queue = queue
        self._handler = handler
        self._keyring = keyring
        self._ladder = ladder
        self._lease = lease
        self._prefetch = prefetch
        self._concurrency = concurrency
        self._held: dict[tuple[int, UUID], Claimed] = {}
        self._todo: asyncio.Queue[Claimed] = asyncio.Queue()
        self._answers: list[tuple[Claimed, Outcome]] = []
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._closing = False
        self._loops: list[asyncio.Task[None]] = []
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        steps = (self._claim_step, self._answer_step, self._extend_step)
        self._loops = [asyncio.create_task(self._repeat(step)) for step in steps]
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]

    def wake(self) -> None:
        self._wake.set()

    async def close(self) -> None:
        """Gives back what no handler has begun, waits for the rest, and delivers the last answers."""
        self._closing = True
        self.wake()
        unbegun = []
        while not self._todo.empty():
            unbegun.append(self._todo.get_nowait())
        for _ in self._workers:
            self._todo.put_nowait(_STOP)
        _, stuck = await asyncio.wait(self._workers, timeout=DRAIN_SECONDS)
        for worker in stuck:
            worker.cancel()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, *stuck, return_exceptions=True)
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._answer()
                if unbegun:
                    await self._call("release", unbegun)
        except (BusUnavailable, TimeoutError) as error:
            log.warning("answers are lost, the leases will end", queue=self._queue.name, reason=str(error))

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        """A step that fails is tried again: a subscription ends only by `close`."""
        while True:
            try:
                await step()
            except BusUnavailable as error:
                log.debug("bus is away", queue=self._queue.name, reason=str(error))
                await asyncio.sleep(AWAY_SECONDS)
            except Exception as error:
                log.error("consumer failed", queue=self._queue.name, exc_info=error)
                await asyncio.sleep(POLL_SECONDS)

    async def _claim_step(self) -> None:
        self._wake.clear()
        room = self._prefetch - len(self._held)
        enough = room > self._prefetch // 2 or not self._held
        claimed = await self._claim(room) if enough and not self._closing else []
        for item in claimed:
            self._held[item.id, item.lease] = item
            self._todo.put_nowait(item)
        if not claimed or len(claimed) < room:
            await wait_at_most(self._wake, POLL_SECONDS)

    async def _claim(self, most: int) -> list[Claimed]:
        async with self._connection() as connection:
            if not self.declared.is_set():
                await connection.execute("SELECT bus.declare_queue($1, $2)", self._queue.name, list(self._queue.patterns))
                self.declared.set()
            rows = await connection.fetch(
                "SELECT message, token, content, try FROM bus.claim($1, $2, $3)", self._queue.name, most, self._lease
            )
        return [Claimed(r["message"], r["token"], r["content"].encode(), r["try"]) for r in sorted(rows, key=_by_id)]

    async def _work(self) -> None:
        while (item := await self._todo.get()) is not _STOP:
            outcome = await handle(
                item.body,
                queue=self._queue.name,
                attempt=item.attempt,
                handler=self._handler,
                keyring=self._keyring,
                ladder=self._ladder,
            )
            self._answers.append((item, outcome))
            self._answered.set()

    async def _answer_step(self) -> None:
        """While one batch of answers travels, the next one gathers."""
        if not self._answers:
            await self._answered.wait()
        self._answered.clear()
        await self._answer()

    async def _answer(self) -> None:
        answers = list(self._answers)
        if not answers:
            return
        done = [item for item, outcome in answers if isinstance(outcome, Done)]
        again = [(item, self._ladder[outcome.step]) for item, outcome in answers if isinstance(outcome, Again)]
        dead = [(item, outcome.reason) for item, outcome in answers if isinstance(outcome, Dead)]
        if done:
            await self._call("ack", done)
        if again:
            await self._call("retry", [item for item, _ in again], [delay for _, delay in again])
        if dead:
            await self._call("bury", [item for item, _ in dead], [reason for _, reason in dead])
        del self._answers[: len(answers)]
        for item, _ in answers:
            self._held.pop((item.id, item.lease), None)
        for _, delay in again:
            asyncio.get_running_loop().call_later(delay + 0.001, self.wake)
        self.wake()

    async def _extend_step(self) -> None:
        await asyncio.sleep(self._lease / 3)
        if self._held:
            await self._call("extend", list(self._held.values()), self._lease)

    async def _call(self, function: str, items: Sequence[Claimed], *more: Any) -> None:
        arguments = [self._queue.name, [item.id for item in items], [item.lease for item in items], *more]
        places = ", ".join(f"${n}" for n in range(1, len(arguments) + 1))
        async with self._connection() as connection:
            await connection.execute(f"SELECT bus.{function}({places})", *arguments)


_STOP: Final = Claimed(0, UUID(int=0), b"", 0)


def _by_id(row: asyncpg.Record) -> int:
    return int(row["message"])
