"""Files as downloads in a zip that nothing opens by accident: one member under the file's own name, password `malware`."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from hive.answers import DOWNLOAD_HEADERS, disposition
from hive.attachments.service import Download
from hive.platform import Hive
from waggle.archives import PASSWORD, protected


async def zip_answer(hive: Hive, found: Download, *, password: str = PASSWORD) -> Response:
    """The answer of a download as zip; its temporary files go when it has been sent."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hive-zip-"))
    try:
        await hive.blobs.copy_to(found.sha256, folder / "content")
        await protected(folder / "content", folder / "archive.zip", name=found.name or found.sha256, password=password)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    headers = {**DOWNLOAD_HEADERS, "Content-Disposition": disposition(f"{found.name or found.sha256}.zip")}
    cleaning = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(folder / "archive.zip", media_type="application/zip", headers=headers, background=cleaning)
