"""Blobs in an S3 bucket, by obstore's synchronous API in threads: its asynchronous one can abort the process at exit."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import S3Store

from waggle.blobs.store import CHUNK, Blob, BlobMissing, Hashes, checked


class S3Blobs:
    """`location` is `s3://bucket/prefix`; endpoint, region and keys come from the AWS_* environment.

    A content's name is its hash, known only at its end, so a stream is spooled to a temporary file first.
    """

    def __init__(self, location: str) -> None:
        parts = urlsplit(location)
        self._store = S3Store(parts.netloc, prefix=parts.path.strip("/") or None)

    @staticmethod
    def _key(sha256: str) -> str:
        name = checked(sha256)
        return f"{name[:2]}/{name[2:4]}/{name}"

    async def put(self, content: AsyncIterator[bytes] | Path | bytes) -> Blob:
        with tempfile.TemporaryFile() as spool:
            hashes = Hashes()
            if isinstance(content, bytes):
                hashes.update(content)
                spool.write(content)
            elif isinstance(content, Path):
                await asyncio.to_thread(self._spool_file, content, spool, hashes)
            else:
                async for chunk in content:
                    hashes.update(chunk)
                    await asyncio.to_thread(spool.write, chunk)
            blob = hashes.blob()
            spool.seek(0)
            await asyncio.to_thread(obstore.put, self._store, self._key(blob.sha256), spool)
            return blob

    @staticmethod
    def _spool_file(source: Path, spool: IO[bytes], hashes: Hashes) -> None:
        with source.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                hashes.update(chunk)
                spool.write(chunk)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        try:
            result = await asyncio.to_thread(obstore.get, self._store, self._key(sha256))
        except (FileNotFoundError, NotFoundError):
            raise BlobMissing(sha256) from None
        chunks = iter(result.stream(min_chunk_size=CHUNK))
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield bytes(chunk)

    async def copy_to(self, sha256: str, target: Path) -> None:
        with target.open("wb") as file:
            async for chunk in self.open(sha256):
                await asyncio.to_thread(file.write, chunk)

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(obstore.delete, self._store, self._key(sha256))
