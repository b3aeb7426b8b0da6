"""A worker's command: what has to be executed, with which interpreter, and what is wrong when it cannot be."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import time
from pathlib import Path

from cortex.environments import python_of
from cortex.runner.job import Worker
from cortex.runner.protocol import CannotStart

LOOK_EVERY = 1.0
"""Seconds between looks at what does not change while jobs run: links, environments."""
PYTHON = re.compile(r"python(3(\.\d+)?)?")


def shebang(path: Path) -> str | None:
    """The first line's interpreter, None where there is no usable one. A CRLF line names a program that does not exist."""
    try:
        with path.open("rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    if not line.startswith(b"#!") or line.rstrip(b"\n").endswith(b"\r"):
        return None
    return line[2:].decode("utf-8", "replace").strip() or None


def _program(first_line: str) -> str:
    """`python3` of `/usr/bin/env python3` and of `/usr/bin/python3 -u`."""
    words = [word for word in first_line.split() if not word.startswith("-")]
    name = words[1] if len(words) > 1 and Path(words[0]).name == "env" else words[0]
    return Path(name).name if "/" not in name or Path(name).name != name else name


class Commands:
    """`analyzers_python`: the interpreter of workers whose folder has none of its own; `environments`: where those are that
    `cortex analyzers install` has made."""

    def __init__(self, analyzers_python: str | None, environments: Path | None = None) -> None:
        self._environments = environments
        self._readable: dict[tuple[str | None, Path], tuple[float, list[str]]] = {}
        self._usual = analyzers_python or shutil.which("python3") or sys.executable

    def interpreter(self, command: Path) -> str:
        return python_of(self._environments, command.parent) or self._usual

    def command_of(self, worker: Worker) -> Path:
        """Raises CannotStart when it is not there."""
        if worker.command is None:
            raise CannotStart(f"{worker.definition_id} names no command.")
        command = Path(worker.command)
        if not command.is_file():
            raise CannotStart(
                f"The command of {worker.definition_id} is not there: {command}. "
                "Check the analyzers' folder, then rescan the definitions and enable the worker again."
            )
        return command

    def is_python(self, command: Path) -> bool:
        """Whether it is a script for the worker's own interpreter, and not for a Python of its own choice."""
        if command.suffix != ".py":
            return False
        first = shebang(command)
        if first is None or not os.access(command, os.X_OK):
            return True
        found = PYTHON.fullmatch(_program(first))
        return found is not None and not found[2]

    def arguments(self, command: Path, folder: Path) -> list[str]:
        """Of 431 published flavors 23 are not executable and one has a CRLF first line: Python runs them all the same."""
        runnable = os.access(command, os.X_OK) and shebang(command) is not None
        if command.suffix == ".py" and not runnable:
            return [self.interpreter(command), str(command), str(folder)]
        return [str(command), str(folder)]

    def readable(self, worker: Worker, command: Path) -> list[str]:
        """What the program must read to run: its own folder, its environment, its interpreter. Looked up once a second."""
        key, now = (worker.root, command), time.monotonic()
        known = self._readable.get(key)
        if known is None or known[0] < now:
            places = [str(p) for p in dict.fromkeys([_own_folder(worker, command), *self._prefixes(command)])]
            known = self._readable[key] = now + LOOK_EVERY, places
        return known[1]

    def _prefixes(self, command: Path) -> list[Path]:
        programs = [Path(self.interpreter(command))]
        if first := shebang(command):
            named = first.split()[0] if Path(first.split()[0]).name != "env" else shutil.which(_program(first))
            programs += [Path(named)] if named else []
        found = []
        for program in programs:
            found += [program.parent.parent, Path(os.path.realpath(program)).parent.parent]
        return [prefix for prefix in found if len(prefix.parts) > 2]

    def start_failure(self, number: int, command: Path, arguments: list[str]) -> str:
        """What to tell the operator of an exec that failed with errno `number`."""
        if arguments[0] != str(command):
            return (
                f"The analyzers' interpreter {arguments[0]} cannot be started: {os.strerror(number)}. "
                "Set CORTEX_ANALYZERS_PYTHON to the python of the environment that has the analyzers' requirements."
            )
        first = shebang(command)
        if number == errno.ENOENT and first:
            return f"{command} asks for an interpreter that is not there: {first}. Install it, or correct its first line."
        if number == errno.ENOEXEC:
            return f"{command} is no program: it has no first line #!…, and its name does not end in .py."
        if number == errno.EACCES and not os.access(command, os.X_OK):
            return f"{command} may not be executed. Make it executable: chmod +x {command}"
        if number == errno.EACCES:
            return (
                f"{command} asks for an interpreter that the sandbox does not show it: {first}. "
                "Name its folder in CORTEX_SANDBOX_READ."
            )
        return f"{command} cannot be started: {os.strerror(number)}."


def _own_folder(worker: Worker, command: Path) -> Path:
    """The folder below the root that the command lies in, however deep."""
    if worker.root is None:
        return command.parent
    root = Path(os.path.realpath(worker.root))
    real = Path(os.path.realpath(command))
    if not real.is_relative_to(root) or len(real.relative_to(root).parts) < 2:
        return real.parent
    return root / real.relative_to(root).parts[0]
