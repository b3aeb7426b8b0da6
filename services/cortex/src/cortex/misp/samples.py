"""The file that comes with MISP's question, into the blob store: as it is, or out of the archive that samples travel in."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from cortex.jobs.intake import MAX_FILE_NAME
from cortex.jobs.requests import File
from cortex.misp.question import Question, UnreadableFile
from waggle.archives import BadArchive, Limits, Unpacked, unpacked
from waggle.blobs import Blob, BlobStore

SAMPLE_PASSWORD = "infected"  # noqa: S105 (MISP's convention)
NAME_MEMBER = ".filename.txt"
LIMITS = Limits(count=2, size=256 << 20, ratio=1000)


async def stored(asked: Question, blobs: BlobStore) -> File | None:
    """None: the question is about a value. Raises UnreadableFile."""
    if asked.content is None:
        return None
    if not asked.packed:
        return _file(await blobs.put(asked.content), asked.file_name)
    with tempfile.TemporaryDirectory(prefix="cortex-sample-") as name:
        folder = Path(name)
        await asyncio.to_thread((folder / "sample.zip").write_bytes, asked.content)
        (folder / "files").mkdir()
        try:
            found = await unpacked(folder / "sample.zip", folder / "files", password=SAMPLE_PASSWORD, limits=LIMITS)
        except BadArchive as error:
            raise UnreadableFile(f"the malware sample's ZIP cannot be opened: {error}") from None
        samples = [one for one in found if not one.name.endswith(NAME_MEMBER)]
        if len(samples) != 1:
            raise UnreadableFile("the malware sample's ZIP does not hold one sample")
        return _file(await blobs.put(samples[0].path), asked.file_name or _told_name(found))


def _told_name(found: list[Unpacked]) -> str:
    """The sample's own name, which `<hash>.filename.txt` holds."""
    told = [one for one in found if one.name.endswith(NAME_MEMBER) and one.size <= MAX_FILE_NAME]
    return told[0].path.read_text("utf-8", "replace").strip() if told else ""


def _file(blob: Blob, name: str) -> File:
    return File(blob, name[:MAX_FILE_NAME] or "file", "application/octet-stream")
