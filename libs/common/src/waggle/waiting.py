"""Waiting for an event with a limit, in a way that can always be cancelled.

`asyncio.wait_for` before Python 3.12 swallows a cancellation that arrives together with the event. A loop that waits with it
then goes on for ever, and whoever waits for the loop's end hangs. `asyncio.timeout` does not.
"""

from __future__ import annotations

import asyncio


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event happened within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
