"""Python environments of analyzers: one for every distinct set of requirements (`cortex analyzers install`).

They lie in one folder, CORTEX_ENVIRONMENTS, each under the hash of its requirements; analyzers that ask for the same share one,
and so a warm process too. The runner looks an environment up by the same hash: nothing has to be kept in step.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

COMPLETE = ".complete"
"""Written last: an environment without it was not finished."""
BASE = ("cortexutils",)
"""What every published analyzer imports, though some do not say so."""


def requirements_of(folder: Path) -> list[str]:
    """The requirements of an analyzer's folder, in one form: sorted, without comments. Includes of other files are followed."""
    return sorted({*BASE, *_lines(folder / "requirements.txt", set())})


def _lines(path: Path, seen: set[Path]) -> list[str]:
    found: list[str] = []
    if path in seen or not path.is_file():
        return found
    seen.add(path)
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = raw.split(" #")[0].strip()
        if line.startswith(("-r ", "--requirement ")):
            found += _lines(path.parent / line.split(None, 1)[1], seen)
        elif line and not line.startswith("#"):
            found.append(line)
    return found


def name_of(requirements: list[str]) -> str:
    return hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:16]


def place_of(environments: Path, folder: Path) -> Path:
    """Where the environment of an analyzer's folder is, or would be."""
    return environments / name_of(requirements_of(folder))


def python_of(environments: Path | None, folder: Path) -> str | None:
    """The interpreter of an analyzer's folder: its own `.venv`, else the one that was installed for its requirements."""
    own = folder / ".venv" / "bin" / "python"
    if os.access(own, os.X_OK):
        return str(own)
    if environments is None:
        return None
    place = place_of(environments, folder)
    return str(place / "bin" / "python") if (place / COMPLETE).exists() else None
