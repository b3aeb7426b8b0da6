"""The job folder: contracts/cortex.md §5.5.

Its name ends with who made it, so that a runner that starts can remove what a killed one left: `input.json` holds secrets.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import orjson

from cortex.runner.identity import RunnerId
from cortex.runner.job import Job

FEW = 16


def job_folder_name(job: Job, runner: RunnerId) -> str:
    return f"cortex-job-{job.hex}-{runner}-{secrets.token_hex(4)}"


def make(parent: Path, job: Job, runner: RunnerId) -> Path:
    """An empty job folder that only this user may enter."""
    folder = parent / job_folder_name(job, runner)
    for path in (folder, folder / "input", folder / "output"):
        path.mkdir(mode=0o700)
    return folder


def job_input(job: Job, config: dict[str, Any]) -> dict[str, Any]:
    """`input.json`, all but the name of the file, which is known when it is there."""
    content: dict[str, Any] = {
        "dataType": job.data_type,
        "tlp": job.tlp,
        "pap": job.pap,
        "message": job.message,
        "parameters": job.parameters,
        "config": config,
    }
    if job.data is not None:
        responder = job.worker is not None and job.worker.kind == "responder"
        content = {"data": orjson.loads(job.data) if responder else job.data, **content}
    return content


def new_attachment(folder: Path) -> Path:
    """Where a file job's file goes; nothing of the caller's name is in it."""
    return folder / "input" / f"attachment{secrets.token_hex(8)}"


def write_input(folder: Path, content: dict[str, Any]) -> None:
    config = content["config"]
    cacerts = config.get("cacerts")
    if isinstance(cacerts, str) and cacerts.strip():
        _write(folder / "input" / "cacerts", cacerts.encode())
    _write(folder / "input" / "input.json", orjson.dumps(content))


def cacerts(folder: Path) -> Path | None:
    path = folder / "input" / "cacerts"
    return path if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def output_size(folder: Path) -> int:
    """Bytes of `output.json`, 0 where there is none to speak of."""
    try:
        return (folder / "output" / "output.json").lstat().st_size
    except OSError:
        return 0


def remove_small(folder: Path) -> bool:
    """Removes a job folder that holds nothing but the usual few files, without a thread; False: it needs `remove`."""
    try:
        for place in (folder / "input", folder / "output", folder):
            entries = list(os.scandir(place))
            if len(entries) > FEW:
                return False
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    return False
                Path(entry.path).unlink()
            place.rmdir()
    except OSError:
        return False
    return True


def size_of(folder: Path) -> int:
    """Bytes that all files below take on the disk. What vanishes while it is looked at counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_blocks * 512
    return total


def remove(folder: Path) -> None:
    """Removes a job folder, also when the analyzer has taken rights away from parts of it."""

    def retry(function: Any, path: str, _error: Any) -> None:
        for target in (Path(path).parent, Path(path)):
            if not target.is_symlink() and target.exists():
                target.chmod(0o700)
        function(path)

    shutil.rmtree(folder, onerror=retry)


def remove_orphans(parent: Path) -> int:
    """Removes the folders of runners of this machine that are gone; returns how many."""
    removed = 0
    for folder in parent.glob("cortex-job-*-*-*"):
        owner = RunnerId.parse(folder.name.split("-", 3)[3].rpartition("-")[0])
        if owner is not None and owner.is_gone():
            remove(folder)
            removed += 1
    return removed
