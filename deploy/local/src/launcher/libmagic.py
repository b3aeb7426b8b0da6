"""libmagic for outside programs that load it (thehive4py 1, cortex4py): the system's, or Debian's unpacked into `.cache`."""

from __future__ import annotations

import ctypes
from pathlib import Path

from launcher.debian import fetch_debian, library_folders

CACHE = Path(__file__).resolve().parents[4] / ".cache" / "libmagic"


def environment() -> dict[str, str]:
    """What a child process needs in its environment to find libmagic; empty where the system has it.

    Raises DebianError where it can be had nowhere.
    """
    try:
        ctypes.CDLL("libmagic.so.1")
    except OSError:
        root = fetch_debian(["libmagic1"], CACHE)
        folders = ":".join(map(str, library_folders(root)))
        patterns = root / "usr/lib/file/magic.mgc"  # not fetched where the machine has that package alone
        return {"LD_LIBRARY_PATH": folders, **({"MAGIC": str(patterns)} if patterns.exists() else {})}
    return {}
