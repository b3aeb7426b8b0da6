"""The interface of a blob store, and the one door to make one.

Names are made here from the hash: no client's file name ever reaches a disk or a bucket (threats S26).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobMissing(Exception):
    """No content of that hash is stored."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored content: its hashes in lower-case hex and its size in bytes."""

    sha256: str
    sha1: str
    md5: str
    size: int


class BlobStore(Protocol):
    async def put(self, content: AsyncIterator[bytes] | Path | bytes) -> Blob:
        """Stores a content as it streams by; storing the same content again is harmless."""
        ...

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """The content in chunks of about 1 MiB. Raises BlobMissing."""
        ...

    async def copy_to(self, sha256: str, target: Path) -> None:
        """Writes the content to a new file. Raises BlobMissing."""
        ...

    async def delete(self, sha256: str) -> None: ...


class Hashes:
    """The three hashes and the size of what is fed to it."""

    def __init__(self) -> None:
        self._sha256, self._size = hashlib.sha256(), 0
        self._sha1, self._md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)

    def update(self, chunk: bytes) -> None:
        for one in (self._sha256, self._sha1, self._md5):
            one.update(chunk)
        self._size += len(chunk)

    def blob(self) -> Blob:
        return Blob(self._sha256.hexdigest(), self._sha1.hexdigest(), self._md5.hexdigest(), self._size)


def checked(sha256: str) -> str:
    """The hash as a storage key: refuses anything that is not one."""
    if not SHA256.fullmatch(sha256):
        raise BlobMissing(sha256)
    return sha256
