"""Who a runner is, in a form another process of the same machine can check to be alive or gone."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "CORTEX_RUNNER_ID"
"""The variable every analyzer's process carries; it names the runner that started it."""


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    space = Path("/proc/self/ns/pid").readlink()
    return hashlib.sha256(f"{socket.gethostname()} {boot} {space}".encode()).hexdigest()[:8]


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot: with the pid it names one process only. None when it is gone."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else rest[18]


@dataclass(frozen=True, slots=True)
class RunnerId:
    """Machine, boot and pid namespace; pid; start."""

    machine: str
    pid: int
    started: str

    @classmethod
    def own(cls) -> RunnerId:
        return cls(_machine(), os.getpid(), _started(os.getpid()) or "0")

    @classmethod
    def parse(cls, text: str) -> RunnerId | None:
        machine, _, rest = text.partition("_")
        pid, _, started = rest.partition("_")
        return cls(machine, int(pid), started) if machine and pid.isdigit() and started.isdigit() else None

    def __str__(self) -> str:
        return f"{self.machine}_{self.pid}_{self.started}"

    def is_gone(self) -> bool:
        """True only where it can be known: on the machine, boot and pid namespace it ran in."""
        return self.machine == _machine() and _started(self.pid) != self.started


def _orphans() -> Iterator[int]:
    mark = f"{MARK}=".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        values = [v[len(mark) :].decode(errors="replace") for v in variables if v.startswith(mark)]
        owner = RunnerId.parse(values[0]) if values else None
        if owner is not None and owner.is_gone():
            yield int(folder.name)


def kill_orphans() -> int:
    """Kills what analyzers of a killed runner have left running, so that no job runs twice at once; returns how many.

    The analyzer itself dies with its runner (PDEATHSIG), but the programs it started do not.
    """
    killed = 0
    for pid in _orphans():
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except (ProcessLookupError, PermissionError):
            continue
    return killed
