"""A platform started for tests by the launcher's own command, on free ports, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

WAGGLE = str(Path(sys.executable).parent / "waggle")
READY_SECONDS = 90.0


@dataclass
class Started:
    """`ready` is `ready.json`, `credentials` is `credentials.json`."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "ready.json").read_text())
        return found

    @property
    def credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "credentials.json").read_text())
        return found

    def url(self, service: str) -> str:
        return str(self.ready[service]["url"])

    def client(self, service: str) -> httpx.Client:
        key = self.credentials[service]["api_key"]
        return httpx.Client(base_url=self.url(service), headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def output(self) -> str:
        logs = "\n".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in sorted((self.home / "logs").glob("*.log")))
        return (self.home / "launcher.log").read_text()[-3000:] + logs


def free_ports() -> dict[str, str]:
    return {"HIVE_PORT": "0", "CORTEX_PORT": "0", "MISP_CONNECTOR_PORT": "0"}


@contextmanager
def started(home: Path, *arguments: str, **environment: str) -> Iterator[Started]:
    """`waggle up` in `home` until the block ends; it is told to stop, and must then end with status 0."""
    home.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, **free_ports(), "WAGGLE_HOME": str(home), **environment}
    with (home / "launcher.log").open("ab") as log:
        process = subprocess.Popen([WAGGLE, "up", *arguments], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    running = Started(home, process)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not (home / "ready.json").exists():
            assert process.poll() is None, running.output()
            assert time.monotonic() < deadline, running.output()
            time.sleep(0.05)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0, running.output()
