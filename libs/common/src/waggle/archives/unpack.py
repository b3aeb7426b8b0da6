"""Child program: `python -m waggle.archives.unpack SOURCE FOLDER COUNT SIZE RATIO`, the password on standard input.

Prints JSON: `{"files": [{"name", "file", "size"}]}` or `{"error": reason}`. The sizes an archive claims are not believed: what is
really read is counted.
"""

from __future__ import annotations

import json
import resource
import stat
import sys
import zlib
from pathlib import Path
from typing import Any

import pyzipper

CHUNK = 1 << 18
MEMORY = 1 << 30
CPU_SECONDS = 110
ALWAYS_ALLOWED = 1 << 20  # a small archive may well unpack to a megabyte, whatever the ratio


class Refused(Exception):
    pass


def regular(info: Any) -> bool:
    """Whether an entry is a plain file: no folder, no link."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    return not info.is_dir() and kind in (0, stat.S_IFREG)


def unpack(source: Path, folder: Path, *, count: int, size: int, ratio: int, password: bytes) -> list[dict[str, Any]]:
    allowed = min(size, max(ALWAYS_ALLOWED, source.stat().st_size * ratio))
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed + CHUNK, allowed + CHUNK))
    files: list[dict[str, Any]] = []
    with pyzipper.AESZipFile(source) as archive:
        entries = [info for info in archive.infolist() if regular(info)]
        if len(entries) > count:
            raise Refused(f"it holds more than {count} files")
        for number, info in enumerate(entries):
            target = folder / str(number)
            length = 0
            with archive.open(info, pwd=password) as content, target.open("xb") as written:
                while chunk := content.read(CHUNK):
                    length += len(chunk)
                    allowed -= len(chunk)
                    if allowed < 0:
                        raise Refused("it unpacks to more than is allowed")
                    written.write(chunk)
            files.append({"name": info.filename, "file": str(number), "size": length})
    return files


def main(source: str, folder: str, count: str, size: str, ratio: str) -> None:
    password = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    answer: dict[str, Any]
    try:
        files = unpack(Path(source), Path(folder), count=int(count), size=int(size), ratio=int(ratio), password=password)
        answer = {"files": files}
    except Refused as refused:
        answer = {"error": str(refused)}
    except RuntimeError as error:  # zipfile's own word for a wrong password
        answer = {"error": "the password is wrong" if "password" in str(error).lower() else "it cannot be read"}
    except (pyzipper.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, zlib.error, MemoryError):
        answer = {"error": "it is no zip archive, or a damaged one"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
