"""Waiting that can always be cancelled."""

from __future__ import annotations

import asyncio

import pytest

from waggle.waiting import wait_at_most


async def test_says_whether_it_happened() -> None:
    event = asyncio.Event()
    assert await wait_at_most(event, 0.01) is False
    event.set()
    assert await wait_at_most(event, 0.01) is True
    assert await wait_at_most(event, 0) is True


async def test_a_cancellation_together_with_the_event_is_not_swallowed() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(wait_at_most(event, 10))
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
