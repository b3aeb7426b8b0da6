"""What the runner orders, and what it hears back. Both sides of the socket read this file: JSON, one object per packet."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

NO_NETWORK, PROXIED, DIRECT = "none", "proxy", "direct"
MAX_PACKET = 128 * 1024


@dataclass(frozen=True)
class Order:
    """One job's program. Sizes in bytes, 0 = unlimited; a packet carries it together with the pipe for its output.

    `warm`: argv[0] is a Python script to be run in the fork, else a program to be executed. `readable` are the paths of its
    code, `ports` the TCP ports it may connect to (None: any).
    """

    id: int
    argv: list[str]
    cwd: str
    env: dict[str, str]
    folder: str
    readable: list[str]
    warm: bool
    network: str = NO_NETWORK
    ports: list[int] | None = field(default_factory=list)
    memory: int = 0
    file_size: int = 0
    processes: int = 0

    def packed(self) -> bytes:
        return json.dumps({"run": asdict(self)}, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Greeting:
    """The zygote is ready. `missing` is what of the sandbox this machine does not give: {layer: reason}."""

    pid: int
    missing: dict[str, str]
    prefixes: list[str]
    version: str
    own_network: bool


@dataclass(frozen=True)
class Ending:
    """A job's program has ended. `status`: exit status, negative = signal. `cpu` in seconds.

    `errno` and `text` are set where it could not be started: the error of exec, or what went wrong before.
    """

    id: int
    status: int
    cpu: float
    errno: int | None = None
    text: str | None = None
