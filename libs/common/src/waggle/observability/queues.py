"""Depth of queues and outbox for Prometheus, asked for when it scrapes and never for longer than a limit.

What does not answer in time is left out, and `waggle_queues_answered` says so with 0: a missing number must not look like none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Final, TypeVar

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from waggle.messaging.bus import QueueDepth
from waggle.messaging.keeper import OutboxDepth, QueueKeeper

log = structlog.get_logger("waggle.observability")

LIMIT_SECONDS: Final = 2.0
T = TypeVar("T")


async def queue_gauges(keeper: QueueKeeper, *, limit: float = LIMIT_SECONDS) -> list[Metric]:
    """`limit` is the longest wait in seconds, for both sources together. Never raises."""
    depths, outbox = await asyncio.gather(_within(limit, keeper.depths()), _within(limit, keeper.outbox()))
    answered = GaugeMetricFamily("waggle_queues_answered", "1 where the source's numbers could be read", labels=["source"])
    if keeper.has_bus:
        answered.add_metric(["bus"], float(depths is not None))
    answered.add_metric(["outbox"], float(outbox is not None))
    return [answered, *(_of_queues(depths) if depths is not None else ()), *(_of_outbox(outbox) if outbox else ())]


def _of_queues(depths: dict[str, QueueDepth]) -> Iterator[Metric]:
    messages = GaugeMetricFamily("waggle_queue_messages", "Messages not handled yet", labels=["queue", "state"])
    dead = GaugeMetricFamily("waggle_queue_dead_letters", "Messages that were given up, by queue", labels=["queue"])
    for name, depth in sorted(depths.items()):
        for state, count in (("ready", depth.ready), ("delayed", depth.delayed), ("in_hand", depth.in_hand)):
            messages.add_metric([name, state], count)
        dead.add_metric([name], depth.dead)
    yield from (messages, dead)


def _of_outbox(depth: OutboxDepth) -> Iterator[Metric]:
    yield GaugeMetricFamily("waggle_outbox_waiting", "Messages that wait for the bus", value=depth.waiting)
    yield GaugeMetricFamily("waggle_outbox_refused", "Messages that no bus takes", value=depth.refused)
    yield GaugeMetricFamily("waggle_outbox_oldest_seconds", "Age of the oldest that waits", value=depth.oldest_seconds)


async def _within(limit: float, reading: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(limit):
            return await reading
    except Exception as error:  # whatever it is, the other numbers of the page are still wanted
        log.warning("queue depth not read", reason=str(error) or type(error).__name__)
        return None
