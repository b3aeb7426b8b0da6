"""Health of a container, by the standard library alone.

    healthcheck.py http://127.0.0.1:9000/health    the service answers 200
    healthcheck.py connected                       the main process holds a connection: to its database, its broker

A worker has no port. One that lost its database and broker, or hangs before it has them, holds no established connection.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

ESTABLISHED = "01"
SECONDS = 5


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 (compose names the address)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def connected(process: Path = Path("/proc/1")) -> bool:
    states = []
    for table in ("tcp", "tcp6"):
        path = process / "net" / table
        if path.exists():
            states += [line.split()[3] for line in path.read_text().splitlines()[1:]]
    return ESTABLISHED in states


if __name__ == "__main__":
    target = sys.argv[1]
    sys.exit(0 if (connected() if target == "connected" else answers(target)) else 1)
