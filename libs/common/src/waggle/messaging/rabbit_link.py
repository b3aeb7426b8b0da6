"""One connection to RabbitMQ that comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractConnection
from yarl import URL

log = structlog.get_logger("waggle.messaging")

HEARTBEAT_SECONDS: Final = 15
CONNECT_SECONDS: Final = 5.0
SETUP_SECONDS: Final = 15.0
LONGEST_PAUSE: Final = 5.0

AWAY: Final = (OSError, TimeoutError, aio_pika.exceptions.AMQPException, aiormq.exceptions.ChannelInvalidStateError)
"""What the client raises for a broker that is away, restarting, or has closed the channel."""


class Link:
    """Connects, calls `setup` with each new connection, and starts again when the connection is lost."""

    def __init__(self, url: str, name: str, setup: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        self._url = str(URL(url).update_query(heartbeat=HEARTBEAT_SECONDS, name=name))
        self._name = name
        self._setup = setup
        self._task: asyncio.Task[None] | None = None
        self.up = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"amqp {self._name}")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = 0.1
        while True:
            try:
                connection = await aio_pika.connect(self._url, timeout=CONNECT_SECONDS)
            except AWAY as error:
                log.warning("RabbitMQ is away", connection=self._name, reason=_reason(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            lost = asyncio.Event()
            connection.close_callbacks.add(lambda *_, lost=lost: lost.set())
            try:
                async with asyncio.timeout(SETUP_SECONDS):
                    await self._setup(connection)
                pause = 0.1
                self.up.set()
                await lost.wait()
                log.warning("connection to RabbitMQ is lost", connection=self._name)
            except AWAY as error:
                log.error("RabbitMQ refuses the set-up", connection=self._name, reason=_reason(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                self.up.clear()
                await _close(connection)


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.close()
    except AWAY as error:
        log.debug("closing a lost connection", reason=_reason(error))


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
