"""Wake-ups between processes over LISTEN/NOTIFY. They carry no data: whoever is woken looks in its table.

A NOTIFY inside a writing transaction would serialise commits, so the notifier sends after the commit and coalesces: at most
20 a second per process and channel. A lost wake-up costs a second, because every reader also looks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from waggle.db.database import LOST, Database

log = structlog.get_logger(__name__)
INTERVAL = 0.05


class Notifier:
    """`wake(channel)` after a commit; returns at once."""

    def __init__(self, database: Database, *, interval: float = INTERVAL) -> None:
        self._database = database
        self._interval = interval
        self._due: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def wake(self, channel: str) -> None:
        self._due.add(channel)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._due:
            due, self._due = self._due, set()
            try:
                await self._database.fetch("SELECT pg_notify(c, '') FROM unnest($1::text[]) AS c", sorted(due))
            except (*LOST, asyncpg.PostgresError) as error:
                log.warning("notify_failed", channels=sorted(due), error=str(error))
            await asyncio.sleep(self._interval)


class Listener:
    """One connection that listens; callbacks run on the loop and must not block. Reconnects by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._callbacks: dict[str, list[Callable[[str], None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._listening = False

    @property
    def listening(self) -> bool:
        """Whether a wake-up would be heard now."""
        return self._listening

    def on(self, channel: str, callback: Callable[[], None]) -> None:
        """To be called before `start`."""
        self.hear(channel, lambda _payload: callback())

    def hear(self, channel: str, callback: Callable[[str], None]) -> None:
        """As `on`, with the payload: a hint about which row to look at, empty for "any". To be called before `start`."""
        self._callbacks.setdefault(channel, []).append(callback)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _heard(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:
        for callback in self._callbacks.get(channel, []):
            callback(str(payload))

    async def _run(self) -> None:
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self._url, timeout=5)
                gone = asyncio.Event()
                connection.add_termination_listener(lambda _c, gone=gone: gone.set())
                for channel in self._callbacks:
                    await connection.add_listener(channel, self._heard)
                for channel in self._callbacks:  # whatever was missed while away
                    self._heard(connection, 0, channel, "")
                self._listening = True
                await gone.wait()
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                log.warning("listen_interrupted", error=str(error))
            finally:
                self._listening = False
                if connection is not None and not connection.is_closed():
                    connection.terminate()
            await asyncio.sleep(1)
