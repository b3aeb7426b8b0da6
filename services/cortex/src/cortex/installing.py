"""`cortex analyzers install`: makes the environments that analyzers need, and says which flavors are ready."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cortex import environments

TIMEOUT = 1800


@dataclass(slots=True)
class Environment:
    """An environment and the folders that share it. `problem`: why it could not be made."""

    place: Path
    requirements: list[str]
    folders: list[Path] = field(default_factory=list)
    problem: str | None = None


def plan(root: Path, folders: Iterable[Path]) -> list[Environment]:
    """One environment per distinct set of requirements."""
    found: dict[Path, Environment] = {}
    for folder in folders:
        requirements = environments.requirements_of(folder)
        place = root / environments.name_of(requirements)
        found.setdefault(place, Environment(place, requirements)).folders.append(folder)
    return list(found.values())


def uv_program() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def install(wanted: list[Environment], *, uv: str, python: str, wheels: Path | None, say: Callable[[str], None]) -> None:
    """Makes what is not there yet. `wheels`: a folder of wheels that is used instead of an index."""
    for number, environment in enumerate(wanted, 1):
        names = ", ".join(folder.name for folder in environment.folders)
        if (environment.place / environments.COMPLETE).exists():
            say(f"[{number}/{len(wanted)}] {names}: there")
            continue
        say(f"[{number}/{len(wanted)}] {names}: installing {len(environment.requirements)} requirements")
        environment.problem = _make(environment, uv=uv, python=python, wheels=wheels)
        if environment.problem:
            say(f"[{number}/{len(wanted)}] {names}: {environment.problem.splitlines()[0]}")


def _make(environment: Environment, *, uv: str, python: str, wheels: Path | None) -> str | None:
    """Why it could not be made."""
    environment.place.parent.mkdir(parents=True, exist_ok=True)
    listed = environment.place.with_suffix(".txt")
    listed.write_text("\n".join(environment.requirements) + "\n", encoding="utf-8")
    offline = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    interpreter = str(environment.place / "bin" / "python")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", python, str(environment.place)],
        [uv, "pip", "install", "--quiet", "--python", interpreter, *offline, "--requirement", str(listed)],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{command[0]}: {error}"
        if done.returncode:
            return _reason(done.stderr)
    (environment.place / environments.COMPLETE).touch()
    return None


def _reason(text: str) -> str:
    """The last words of uv, on as few lines as they take."""
    lines = [line.strip(" ╰─▶│×├") for line in text.splitlines() if line.strip()]
    return " ".join(lines)[-600:] or "uv failed without a word"
