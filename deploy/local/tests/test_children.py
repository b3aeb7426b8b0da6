"""Watching programs: restart with back-off, giving up, dying with the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.children import Child, GaveUp, Supervisor, program

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def child(tmp_path: Path, command: list[str]) -> Child:
    return Child("sample", "hive", program(command, dict(os.environ), tmp_path / "log"), tmp_path / "log")


def run_until(supervisor: Supervisor, done: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        supervisor.check()
        if done():  # type: ignore[operator]
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    one = child(tmp_path, SLEEP)
    changes: list[int] = []
    supervisor = Supervisor([one], lambda: changes.append(1))
    supervisor.start()
    first = one.pid
    assert first
    os.kill(first, signal.SIGKILL)
    run_until(supervisor, lambda: one.pid not in (None, first))
    assert changes == [1]
    supervisor.stop_all()
    assert one.pid is None


def test_five_deaths_in_a_minute_stop_everything_with_its_last_lines(tmp_path: Path) -> None:
    one = child(tmp_path, [sys.executable, "-c", "print('no such setting'); raise SystemExit(2)"])
    supervisor = Supervisor([one], lambda: None)
    supervisor.start()
    with pytest.raises(GaveUp, match="no such setting"):
        run_until(supervisor, lambda: False, seconds=60)


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
    one = child(tmp_path, [sys.executable, "-c", code])
    one.start()
    while not (tmp_path / "log").read_text():
        time.sleep(0.02)
    one.stop(seconds=0.3)
    assert one.process is not None
    assert one.process.returncode == -signal.SIGKILL


def test_children_die_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, os; from pathlib import Path; from launcher.children import program\n"
        f"c = program({SLEEP!r}, dict(os.environ), Path({str(tmp_path / 'log')!r}))()\n"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_start_that_fails_counts_as_a_death(tmp_path: Path) -> None:
    def spawn() -> subprocess.Popen[bytes]:
        raise OSError("no room on the disk")

    one = child(tmp_path, SLEEP)
    supervisor = Supervisor([], lambda: None, ground=[one])
    one.start()
    assert one.process is not None
    one.process.kill()
    one.spawn = spawn
    with pytest.raises(GaveUp, match="no room on the disk"):
        run_until(supervisor, lambda: False, seconds=60)
