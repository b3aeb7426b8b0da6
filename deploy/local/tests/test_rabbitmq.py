"""The private RabbitMQ node: found or fetched, on loopback, gone with its parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher import debian, rabbitmq
from launcher.debian import DebianError, fetch_debian

pytestmark = [pytest.mark.rabbitmq, pytest.mark.xdist_group("launcher-rabbitmq")]

CHILD = """
import sys, time
from pathlib import Path
from launcher import rabbitmq
node = rabbitmq.start(Path(sys.argv[1]))
print(node.port, *node.pids, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def _available() -> None:
    try:
        assert rabbitmq.find() or rabbitmq.fetch()
    except rabbitmq.RabbitError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO RABBITMQ, ITS TESTS DO NOT RUN: {error}")


def _alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until_gone(pids: list[int], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(map(_alive, pids)):
            return True
        time.sleep(0.1)
    return False


def test_a_node_keeps_its_data_listens_on_loopback_only_and_stops_with_its_port_mapper(tmp_path: Path) -> None:
    node = rabbitmq.start(tmp_path / "node")
    pids = node.pids
    try:
        assert len(pids) == 2
        assert node.url.startswith("amqp://waggle:")
        listening = {(host, port) for host, port in _listeners(pids)}
        assert listening
        assert {host for host, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        assert node.port in {port for _, port in listening}
        assert (tmp_path / "node" / "password").stat().st_mode & 0o077 == 0
    finally:
        node.stop()
    assert _until_gone(pids)
    again = rabbitmq.start(tmp_path / "node")
    try:
        assert (again.port, again.password) == (node.port, node.password)
    finally:
        again.stop(kill=True)
    assert _until_gone(again.pids)


def test_a_node_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    _, *pids = map(int, child.stdout.readline().split())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert len(pids) == 2
    assert _until_gone(pids)


def test_a_given_path_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_SERVER", "/no/such/rabbitmq-server")
    with pytest.raises(rabbitmq.RabbitError, match="RABBITMQ_SERVER is /no/such/rabbitmq-server"):
        rabbitmq.find()


def test_without_apt_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DebianError, match="this is no Debian or Ubuntu"):
        fetch_debian(["rabbitmq-server"], tmp_path / "into")
    monkeypatch.setattr(rabbitmq, "CACHE", tmp_path / "cache")
    with pytest.raises(rabbitmq.RabbitError, match="apt-get install rabbitmq-server"):
        rabbitmq.fetch()


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DebianError, match="no-such-package-of-ours"):
        fetch_debian(["no-such-package-of-ours"], tmp_path / "into")


def test_what_was_fetched_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "into"
    (into / "root").mkdir(parents=True)
    (into / "complete").write_text("a b")
    monkeypatch.setattr(debian, "Apt", None)
    assert fetch_debian(["b", "a"], into) == into / "root"


def _listeners(pids: list[int]) -> list[tuple[str, int]]:
    """Addresses on which these processes listen, from /proc: no tool has to be there for it."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(handle.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                found.append((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found
