"""Taking in the files of an archive: each stored like an upload of its own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hive.attachments.files import StoredFile, store
from hive.platform import Hive
from waggle.archives import BadArchive, Limits, unpacked
from waggle.errors import InvalidFields


async def unzipped(hive: Hive, archive: StoredFile, *, password: str, top_only: bool = False) -> list[StoredFile]:
    """The regular files of a stored zip, under their base names; `top_only`: without those in folders.

    Raises InvalidFields for what cannot or may not be opened.
    """
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hive-unzip-"))
    limits = Limits(size=hive.settings.max_attachment)
    try:
        (folder / "files").mkdir()
        await hive.blobs.copy_to(archive.sha256.hex(), folder / "archive.zip")
        found = await unpacked(folder / "archive.zip", folder / "files", password=password, limits=limits)
        found = [one for one in found if not (top_only and "/" in one.name)]
        stored = [await store(hive.blobs, hive.database, one.path, name=one.name, content_type=None) for one in found]
    except BadArchive as refused:
        raise InvalidFields.invalid("attachment", f"{archive.name}: {refused}") from None
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    if not stored:
        raise InvalidFields.invalid("attachment", f"{archive.name}: it holds no file")
    return stored
