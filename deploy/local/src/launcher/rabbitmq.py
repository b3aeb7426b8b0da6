"""A private RabbitMQ node for tests and for `BUS=rabbitmq`: found or fetched, run under this process, on loopback only.

Look-up order: `RABBITMQ_SERVER` (path of the `rabbitmq-server` script), the system's, Debian's packages unpacked under
`.cache/rabbitmq`. The node has its own name, cookie, data folder, ports and port mapper (epmd); none already on the machine
is touched, and everything started here ends with the process that started it. For production: deploy/docker.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from launcher.debian import DebianError, fetch_debian, library_folders
from launcher.postgres import PR_SET_PDEATHSIG, free_port

SYSTEM_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CACHE = Path(__file__).resolve().parents[4] / ".cache" / "rabbitmq"
INSTALL_HINT = "RabbitMQ cannot be had here: apt-get install rabbitmq-server, or set RABBITMQ_SERVER to a rabbitmq-server script"
USER = "waggle"
START_SECONDS = 60

# raft.wal_max_size_bytes: its default of 512 MB lets the node grow until the memory watermark blocks every publisher.
CONFIG = """\
listeners.tcp.default = 127.0.0.1:{port}
loopback_users = none
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 64MB
raft.wal_max_size_bytes = 33554432
log.console = false
log.file.level = warning
{more}"""


class RabbitError(Exception):
    """The node could not be had or started; the text is for the operator."""


@dataclass(frozen=True)
class Programs:
    """Where RabbitMQ and Erlang are, and what they need in their environment."""

    server: Path
    epmd: Path
    environment: dict[str, str]


@dataclass
class Node:
    """A running node. `url` is its administrator's AMQP URL."""

    folder: Path
    port: int
    password: str
    broker: subprocess.Popen[bytes]
    mapper: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.url_of(USER, self.password)

    def url_of(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/"

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in (self.broker, self.mapper) if process.poll() is None]

    def stop(self, *, kill: bool = False) -> None:
        """Orderly, or as a power cut would (`kill`); returns when both processes are gone."""
        for process in (self.broker, self.mapper):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def find() -> Programs | None:
    """RabbitMQ as this machine has it; None where it would have to be fetched."""
    given = os.environ.get("RABBITMQ_SERVER")
    if given:
        if not Path(given).is_file():
            raise RabbitError(f"RABBITMQ_SERVER is {given}, and there is no such file")
        return _system_programs(Path(given))
    if SYSTEM_SERVER.exists():
        return _system_programs(SYSTEM_SERVER)
    return None


def fetch() -> Programs:
    """RabbitMQ unpacked under `.cache/rabbitmq`, downloaded on the first call. Raises RabbitError with what to install."""
    try:
        root = fetch_debian(["rabbitmq-server"], CACHE, lambda tree: _relocate(tree / "usr/lib/erlang"))
    except DebianError as error:
        raise RabbitError(f"{INSTALL_HINT} ({error})") from error
    erlang = root / "usr/lib/erlang"
    mappers = sorted(erlang.glob("erts-*/bin/epmd"))
    if not mappers:
        raise RabbitError(f"{INSTALL_HINT} (the unpacked Erlang in {erlang} has no epmd)")
    path = f"{erlang / 'bin'}:{root / 'usr/bin'}:{os.environ.get('PATH', os.defpath)}"
    libraries = [str(folder) for folder in library_folders(root)]
    environment = {"PATH": path}
    if libraries:
        environment["LD_LIBRARY_PATH"] = ":".join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    return Programs(root / "usr/lib/rabbitmq/bin/rabbitmq-server", mappers[0], environment)


def start(folder: Path, amqp_port: int = 0, *, definitions: Mapping[str, Any] | None = None) -> Node:
    """Starts a node that keeps its data in `folder`; returns when it answers the AMQP handshake.

    `amqp_port` 0 takes the port of the last start, else any free one. `definitions` is what a RabbitMQ definitions
    file holds (users, exchanges, permissions); it is loaded at every start. Raises RabbitError with the node's last words.
    Call it from the main thread: the kernel ends the node together with the *thread* that started it.
    """
    programs = find() or fetch()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = _kept(folder / "password", lambda: secrets.token_urlsafe(24))
    port = amqp_port or int(_kept(folder / "amqp-port", lambda: str(free_port())))
    mapper_port, distribution_port = free_port(), free_port()
    more = ""
    if definitions is not None:
        path = folder / "definitions.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(_with_administrator(definitions, password)))
        more = f"definitions.import_backend = local_filesystem\ndefinitions.local.path = {path}\n"
    (folder / "rabbitmq.conf").write_text(CONFIG.format(port=port, user=USER, password=password, more=more))
    (folder / "advanced.config").write_text("[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].\n")
    (folder / "enabled_plugins").write_text("[].\n")
    environment = {
        **os.environ,
        **programs.environment,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"waggle-{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "detached": "true",  # the script then becomes the broker instead of waiting beside it
    }
    log = folder / "console.log"
    with log.open("ab") as output:
        mapper = _spawn([str(programs.epmd), "-port", str(mapper_port), "-address", "127.0.0.1"], environment, output)
        broker = _spawn([str(programs.server)], environment, output)
    node = Node(folder, port, password, broker, mapper)
    _wait_until_ready(node, log)
    return node


def _with_administrator(definitions: Mapping[str, Any], password: str) -> dict[str, Any]:
    """The definitions and our administrator: RabbitMQ makes no default user where definitions are loaded."""
    salt = os.urandom(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    user = {"name": USER, "password_hash": hashed, "hashing_algorithm": "rabbit_password_hashing_sha256"}
    everything = {"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {
        **definitions,
        "users": [*definitions.get("users", []), {**user, "tags": "administrator"}],
        "permissions": [*definitions.get("permissions", []), everything],
    }


def _system_programs(server: Path) -> Programs:
    mappers = [Path("/usr/bin/epmd"), *sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))]
    found = [mapper for mapper in mappers if mapper.exists()]
    if not found:
        raise RabbitError("Erlang's epmd was not found: apt-get install erlang-base")
    return Programs(server, found[0], {})


def _relocate(erlang: Path) -> None:
    """Erlang's scripts name /usr/lib/erlang; here they take the folder they lie in."""
    here = 'ROOTDIR=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)'
    for script in [
        erlang / "bin/erl",
        erlang / "bin/start",
        *erlang.glob("erts-*/bin/erl"),
        *erlang.glob("erts-*/bin/start"),
    ]:
        own = here if script.parent.parent == erlang else here.replace("/..", "/../..")
        if script.exists():
            script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang\n", f"{own}\n"))


def _spawn(command: list[str], environment: dict[str, str], output: BinaryIO) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        os.setpgid(0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        preexec_fn=prepare,
    )


def _kept(path: Path, make: Callable[[], str]) -> str:
    """A value made once and kept in a file only its owner reads."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()


def _wait_until_ready(node: Node, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if node.broker.poll() is not None:
            node.stop()
            tail = log.read_text(errors="replace")[-1500:].strip()
            raise RabbitError(f"RabbitMQ ended with status {node.broker.returncode}: {tail}")
        if _answers(node.port):
            return
        time.sleep(0.1)
    node.stop()
    raise RabbitError(f"RabbitMQ was not ready within {START_SECONDS} s; its logs are in {node.folder / 'log'}")


def _answers(port: int) -> bool:
    """Whether a broker answers the AMQP 0-9-1 protocol header with its Connection.Start frame (type 1, channel 0)."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            connection.settimeout(2)
            return connection.recv(3) == b"\x01\x00\x00"
    except OSError:
        return False
