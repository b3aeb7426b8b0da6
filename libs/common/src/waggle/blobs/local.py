"""Blobs as plain files: `<folder>/ab/cd/<sha256>`, written beside, synced, then renamed into place."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from waggle.blobs.store import CHUNK, Blob, BlobMissing, Hashes, checked


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


class LocalBlobs:
    """One folder, several processes: a name is its content's hash, so writers cannot disagree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, sha256: str) -> Path:
        name = checked(sha256)
        return self._folder / name[:2] / name[2:4] / name

    async def put(self, content: AsyncIterator[bytes] | Path | bytes) -> Blob:
        if isinstance(content, Path | bytes):
            return await asyncio.to_thread(self._put_now, content)
        hashes = Hashes()
        handle, name = await asyncio.to_thread(tempfile.mkstemp, dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as target:
                async for chunk in content:
                    hashes.update(chunk)
                    await asyncio.to_thread(target.write, chunk)
                return await asyncio.to_thread(self._settle, target, Path(name), hashes)
        finally:
            await asyncio.to_thread(_remove, Path(name))

    def _put_now(self, content: Path | bytes) -> Blob:
        hashes = Hashes()
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb") as target:
                if isinstance(content, bytes):
                    hashes.update(content)
                    target.write(content)
                else:
                    with content.open("rb") as source:
                        while chunk := source.read(CHUNK):
                            hashes.update(chunk)
                            target.write(chunk)
                return self._settle(target, Path(name), hashes)
        finally:
            _remove(Path(name))

    def _settle(self, target: BinaryIO, name: Path, hashes: Hashes) -> Blob:
        target.flush()
        os.fsync(target.fileno())
        blob = hashes.blob()
        path = self.path(blob.sha256)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        name.replace(path)
        return blob

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        try:
            source = await asyncio.to_thread(self.path(sha256).open, "rb")
        except FileNotFoundError:
            raise BlobMissing(sha256) from None
        with source:
            while chunk := await asyncio.to_thread(source.read, CHUNK):
                yield chunk

    async def copy_to(self, sha256: str, target: Path) -> None:
        try:
            await asyncio.to_thread(shutil.copyfile, self.path(sha256), target)
        except FileNotFoundError:
            raise BlobMissing(sha256) from None

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(self.path(sha256).unlink, True)
