"""Accounts of API keys, kept in memory for a moment, so that a feeder's every alert does not cost a look-up of its key.

A change of rights takes effect on the next request all the same: whoever changes something in this process forgets at once
(`Acting.begin`), and changes by other processes are told by PostgreSQL (`tell_identity` in the schema). While nothing would be
heard, because the listening connection is away, nothing is kept.
"""

from __future__ import annotations

import time
from typing import Generic, TypeVar

from waggle.db.notify import Listener

CHANNEL = "hive_identity"
SECONDS = 2.0
MOST = 10_000

A = TypeVar("A")


class RecentAccounts(Generic[A]):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._known: dict[bytes, tuple[float, A]] = {}
        self._generation = 0
        listener.on(CHANNEL, self.forget)

    def forget(self) -> None:
        """Every account is looked up anew; also one whose look-up is under way."""
        self._known.clear()
        self._generation += 1

    @property
    def generation(self) -> int:
        """To be read before a look-up and given to `keep` after it."""
        return self._generation

    def get(self, key: bytes) -> A | None:
        found = self._known.get(key)
        if found is None or found[0] < time.monotonic() or not self._listener.listening:
            return None
        return found[1]

    def keep(self, key: bytes, account: A, generation: int) -> None:
        if generation != self._generation or not self._listener.listening:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (time.monotonic() + SECONDS, account)
