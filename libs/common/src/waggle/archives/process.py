"""Starting the child processes that pack and unpack."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

SECONDS = 120.0


class BadArchive(Exception):
    """The archive cannot be opened, its password is wrong, or it is over a limit; the text says which."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold: number of files, bytes of all of them together, and these as a multiple of its own size."""

    count: int = 1000
    size: int = 512 << 20
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A regular file of an archive: `name` as the archive has it, folders and all; `path` is where its content lies."""

    name: str
    path: Path
    size: int


async def _run(module: str, *arguments: str, password: str) -> tuple[int, bytes]:
    """Status and output of `python -m waggle.archives.<module>`; the password goes by standard input, not by the process list."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", f"waggle.archives.{module}", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(password.encode("utf-8", "surrogateescape"))
    except TimeoutError:
        raise BadArchive(f"it took longer than {SECONDS:.0f} seconds") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output


async def protected(source: Path, target: Path, *, name: str, password: str) -> None:
    """Writes the zip `target` with one member called `name`: the content of `source`."""
    status, _ = await _run("pack", str(source), str(target), name, password=password)
    if status != 0:
        raise OSError(f"the archive could not be written (status {status})")


async def unpacked(source: Path, folder: Path, *, password: str, limits: Limits) -> list[Unpacked]:
    """The regular files of an archive, unpacked into `folder` under names of our own. Raises BadArchive."""
    bounds = (str(limits.count), str(limits.size), str(limits.ratio))
    status, output = await _run("unpack", str(source), str(folder), *bounds, password=password)
    if status != 0:
        raise BadArchive("it cannot be unpacked")
    answer: dict[str, Any] = orjson.loads(output)
    if "error" in answer:
        raise BadArchive(answer["error"])
    return [Unpacked(one["name"], folder / one["file"], one["size"]) for one in answer["files"]]
