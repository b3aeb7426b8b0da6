"""Subscribing hive's queues to their handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hive.events.alerts import on_alert
from hive.events.analysis import on_analysis
from hive.events.misp import on_misp
from hive.platform import Hive
from waggle.errors import Unavailable, WaggleError
from waggle.messaging import Bus, Delivery, Poison, Queue
from waggle.messaging.rights import HIVE_ALERTS, HIVE_ANALYSIS, HIVE_MISP

Handled = Callable[[Hive, Delivery], Awaitable[None]]


HANDLERS: tuple[tuple[Queue, Handled], ...] = ((HIVE_ALERTS, on_alert), (HIVE_ANALYSIS, on_analysis), (HIVE_MISP, on_misp))
QUEUES = tuple(queue for queue, _ in HANDLERS)


async def subscribe(hive: Hive, bus: Bus) -> None:
    for queue, handler in HANDLERS:
        await bus.subscribe(queue, _bound(hive, handler))


def _bound(hive: Hive, handler: Handled) -> Callable[[Delivery], Awaitable[None]]:
    async def handle(delivery: Delivery) -> None:
        """What a rule refuses is refused for good: another try would be refused alike."""
        try:
            await handler(hive, delivery)
        except Unavailable:
            raise
        except WaggleError as error:
            raise Poison(f"{error.type}: {error.message}") from error

    return handle
