"""The command `waggle`: the whole platform on one machine.

waggle up [hive] [cortex] [misp-connector] [--split]    start, watch, stop with Ctrl-C
waggle demo                                             start in a throw-away home and play the story
waggle doctor                                           memory and state of what runs
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from launcher import doctor, environment
from launcher.children import GaveUp, Supervisor
from launcher.credentials import read_json, write_private
from launcher.postgres import PostgresError
from launcher.processes import Platform
from launcher.rabbitmq import RabbitError
from launcher.settings import ROOT, SERVICES, LauncherError, Settings, read


def say(text: str) -> None:
    print(text, flush=True)


def table(platform: Platform) -> str:
    rows = [f"  {service:<16}{platform.url(service)}" for service in platform.services]
    rows.append(f"  {'credentials':<16}{platform.settings.home / 'credentials.json'}")
    rows.append(f"  {'logs':<16}{platform.settings.home / 'logs'}")
    return "\n".join(rows)


def lock_home(home: Path) -> IO[str]:
    """One platform per home; the lock goes with the process."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = (home / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise LauncherError(f"another platform runs in {home}; stop it, or set WAGGLE_HOME to another folder") from None
    return handle


class Running:
    """A platform from start to stop, as a context."""

    def __init__(self, settings: Settings, *, split: bool) -> None:
        self.settings = settings
        self._lock = lock_home(settings.home)
        self.platform = Platform(settings, split=split)
        self.supervisor = Supervisor([], self._rewrite_ready)

    def _rewrite_ready(self) -> None:
        self.platform.write_ready(self.supervisor.children)
        path = self.settings.home / "ready.json"
        write_private(path, {**read_json(path), "launcher": os.getpid()})

    def start(self) -> None:
        began = time.monotonic()
        for notice in self.settings.notices:
            say(f"waggle: {notice}")
        (self.settings.home / "ready.json").unlink(missing_ok=True)
        self.platform.prepare()
        self.supervisor.children = self.platform.children()
        self.supervisor.ground = self.platform.ground()
        if not self.supervisor.stopping:
            self.supervisor.start()
            self.platform.wait_until_healthy(self.supervisor.children, lambda: self.supervisor.stopping)
        if self.supervisor.stopping:
            return
        self._rewrite_ready()
        say(f"waggle: ready in {time.monotonic() - began:.1f} s\n{table(self.platform)}")
        for line in self.platform.shown:
            say(f"waggle: {line}")

    def stop(self) -> None:
        self.supervisor.stop_all()
        self.platform.stop()
        (self.settings.home / "ready.json").unlink(missing_ok=True)


def stop_on_signals(running: Running) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, running.supervisor.request_stop)


def up(services: tuple[str, ...], *, split: bool) -> int:
    running = Running(read(services=services), split=split)
    stop_on_signals(running)
    try:
        running.start()
        running.supervisor.run()
        say("waggle: stopping")
    finally:
        running.stop()
    return 0


def demo() -> int:
    """The story, in a home that is thrown away; `DEMO_EXIT=1` ends after it, else the platform stays up until Ctrl-C."""
    from launcher.demo import story

    home = Path(os.environ.get("WAGGLE_HOME") or tempfile.mkdtemp(prefix="waggle-demo-"))
    os.environ.setdefault("MISP_CONNECTOR_FEED_FOLDERS", str(story.DEMO))
    running = Running(read({**os.environ, "WAGGLE_HOME": str(home)}), split=False)
    stop_on_signals(running)
    try:
        running.start()
        status = 0 if story.play(running.platform) else 1
        if not os.environ.get("DEMO_EXIT"):
            say(f"\nwaggle: the platform stays up; look around, end with Ctrl-C\n{table(running.platform)}")
            for service in ("hive", "cortex"):
                own = running.platform.credentials[service]
                say(f"  {service}: {own['login']} / {own['password']}")
            running.supervisor.run()
    finally:
        running.stop()
        if not os.environ.get("WAGGLE_HOME"):
            shutil.rmtree(home, ignore_errors=True)
    return status


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="waggle",
        description="The whole of Waggle on one machine.",
        epilog=environment.listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    upper = commands.add_parser("up", help="start the platform and watch it")
    upper.add_argument("services", nargs="*", metavar="service", help=f"any of {', '.join(SERVICES)}; default all")
    upper.add_argument("--split", action="store_true", help="workers apart from the APIs, as in a deployment")
    commands.add_parser("demo", help="play the story in a throw-away home")
    commands.add_parser("doctor", help="memory and state of what runs")
    given = parser.parse_args()
    try:
        if given.command == "up":
            unknown = [s for s in given.services if s not in SERVICES]
            if unknown:
                raise LauncherError(f"no service {', '.join(unknown)}: there are {', '.join(SERVICES)}")
            chosen = tuple(s for s in SERVICES if s in given.services) or SERVICES
            sys.exit(up(chosen, split=given.split))
        if given.command == "demo":
            sys.exit(demo())
        say(doctor.report(Path(os.environ.get("WAGGLE_HOME") or ROOT / ".waggle")))
    except (LauncherError, PostgresError, RabbitError, GaveUp) as error:
        print(f"waggle: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
