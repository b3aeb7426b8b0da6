"""The children of the launcher: started so that they die with it, watched, restarted with back-off, stopped in order."""

from __future__ import annotations

import collections
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
MAX_DEATHS = 5
DEATH_WINDOW = 60.0
TAIL_LINES = 20


class GaveUp(Exception):
    """A child died too often; the text holds its last lines."""


def dies_with_parent() -> Callable[[], None]:
    """For `preexec_fn`: a session of its own, and SIGTERM when the launcher dies, even by `kill -9`."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        os.setsid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return prepare


def program(command: Sequence[str], env: Mapping[str, str], log: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """How a program is started: all it prints goes to `log`."""

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                list(command),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with_parent(),
            )

    return spawn


@dataclass
class Child:
    """One long-running process: how it is started, and where its last lines are when it gives up.

    `spawn` may raise one of `failures`: that counts as a death.
    """

    name: str
    service: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    failures: tuple[type[Exception], ...] = (OSError,)
    deaths: collections.deque[float] = field(default_factory=collections.deque)
    start_again_at: float = 0.0

    def start(self) -> None:
        self.process = self.spawn()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None

    def last_lines(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        except OSError:
            return "(no output)"

    def stop(self, seconds: float = 15) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Watches children in the main thread until told to stop. `on_change` is called after a restart (new pids).

    `ground` is what the children stand on (database, broker): watched and restarted alike, but started and stopped elsewhere.
    """

    def __init__(self, children: Sequence[Child], on_change: Callable[[], None], ground: Sequence[Child] = ()) -> None:
        self.children = list(children)
        self.ground = list(ground)
        self._on_change = on_change
        self._stop = threading.Event()

    def start(self) -> None:
        for child in self.children:
            child.start()

    def request_stop(self, *_: object) -> None:
        self._stop.set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        """One look at all children: a dead one is started again after a growing pause. Raises GaveUp."""
        now = time.monotonic()
        for child in (*self.ground, *self.children):
            if child.start_again_at == 0.0:
                if child.process is not None and child.process.poll() is not None:
                    self._plan_restart(child, now, f"ended with status {child.process.returncode}")
            elif now >= child.start_again_at:
                child.start_again_at = 0.0
                self._restart(child, now)

    def _restart(self, child: Child, now: float) -> None:
        try:
            child.start()
        except child.failures as error:
            self._plan_restart(child, now, f"did not start: {error}")
        else:
            self._on_change()

    @staticmethod
    def _plan_restart(child: Child, now: float, what: str) -> None:
        child.deaths.append(now)
        while child.deaths and child.deaths[0] < now - DEATH_WINDOW:
            child.deaths.popleft()
        if len(child.deaths) >= MAX_DEATHS:
            raise GaveUp(f"{child.name} {what}, {MAX_DEATHS} times within a minute; its last lines:\n{child.last_lines()}")
        child.start_again_at = now + 0.2 * 2 ** (len(child.deaths) - 1)
        print(f"waggle: {child.name} {what}; starting it again", file=sys.stderr, flush=True)

    def run(self) -> None:
        """Returns when a stop was asked for. Raises GaveUp."""
        while not self._stop.wait(0.1):
            self.check()

    def stop_all(self) -> None:
        """All children at once: each is told, then each is waited for."""
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                child.process.terminate()
        for child in self.children:
            child.stop()
