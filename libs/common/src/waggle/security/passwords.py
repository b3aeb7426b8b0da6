"""Password hashing (argon2id) off the event loop, and a cache that spares re-hashing the same credential.

A verification costs about 0.13 s of CPU; clients that send Basic with every request would pay it each time. The cache keeps
a keyed digest of (login, epoch, password) in memory for a while. `epoch` is the account's `credentials_epoch`: a password
change, a lock or a removed key raises it, so that a stale password stops at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

MINIMUM_LENGTH = 8
WELL_KNOWN = frozenset({"admin", "secret", "password", "changeme", "thehive", "thehive1234", "cortex", "misp", "waggle"})


@lru_cache(1)
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@lru_cache(1)
def _decoy() -> str:
    return _hasher().hash(os.urandom(16).hex())


def is_blank(password: str) -> bool:
    """Empty passwords are refused before any check (threats S01): also blanks and control characters alone."""
    return not any(ch.isprintable() and not ch.isspace() for ch in password)


class Passwords:
    """Hashes and verifies in threads, at most `concurrency` at once, so that a flood of log-ins cannot take the machine."""

    def __init__(self, *, concurrency: int = 2, cache_seconds: float = 300, cache_size: int = 2048) -> None:
        self._gate = asyncio.Semaphore(concurrency)
        self._key = os.urandom(32)
        self._seconds = cache_seconds
        self._size = cache_size
        self._verified: OrderedDict[bytes, float] = OrderedDict()

    async def hash(self, password: str) -> str:
        async with self._gate:
            return await asyncio.to_thread(_hasher().hash, password)

    async def verify(self, *, login: str, epoch: int, password: str, hashed: str | None) -> bool:
        """Whether `password` is right. With `hashed` None (no such user, no password) it takes as long and is False."""
        if is_blank(password):
            return False
        mark = hmac.new(self._key, f"{login}\0{epoch}\0{hashed}\0{password}".encode("utf-8", "replace"), hashlib.sha256).digest()
        if self._remembered(mark):
            return True
        async with self._gate:
            if self._remembered(mark):  # a twin of this request has just been verified
                return True
            right = await asyncio.to_thread(self._check, password, hashed or _decoy())
        if not right or hashed is None:
            return False
        self._verified[mark] = time.monotonic() + self._seconds
        while len(self._verified) > self._size:
            self._verified.popitem(last=False)
        return True

    @staticmethod
    def _check(password: str, hashed: str) -> bool:
        return _hasher().verify(password, hashed)

    def _remembered(self, mark: bytes) -> bool:
        until = self._verified.get(mark)
        if until is None:
            return False
        if until < time.monotonic():
            del self._verified[mark]
            return False
        self._verified.move_to_end(mark)
        return True
