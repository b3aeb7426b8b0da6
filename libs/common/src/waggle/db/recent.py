"""What is looked up with every request (accounts of API keys, for one), kept in memory for a moment.

A change takes effect on the next request all the same: whoever changes something in this process forgets at once, and changes by
other processes are told by PostgreSQL on commit, by triggers that notify a channel. While nothing would be heard, because the
listening connection is away, nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

from waggle.db.notify import Listener

SECONDS = 2.0
MOST = 10_000

A = TypeVar("A")


class Recent(Generic[A]):
    """`channel` is what the triggers notify. To be made before the listener starts."""

    def __init__(self, listener: Listener, channel: str) -> None:
        self._listener = listener
        self._known: dict[Hashable, tuple[float, A]] = {}
        self._generation = 0
        listener.on(channel, self.forget)

    def forget(self) -> None:
        """Everything is looked up anew; also what is being looked up now."""
        self._known.clear()
        self._generation += 1

    @property
    def generation(self) -> int:
        """To be read before a look-up and given to `keep` after it."""
        return self._generation

    def get(self, key: Hashable) -> A | None:
        found = self._known.get(key)
        if found is None or found[0] < time.monotonic() or not self._listener.listening:
            return None
        return found[1]

    def keep(self, key: Hashable, value: A, generation: int) -> None:
        if generation != self._generation or not self._listener.listening:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (time.monotonic() + SECONDS, value)
