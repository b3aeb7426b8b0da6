"""What the person sets: ports, passwords, home."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from launcher.settings import LauncherError, read


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_given_busy_port_is_an_error_that_names_it(busy: int) -> None:
    with pytest.raises(LauncherError, match=f"HIVE_PORT={busy}"):
        read({"HIVE_PORT": str(busy)})


def test_a_default_busy_port_moves_on_and_says_so(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.settings.DEFAULT_PORTS", {"hive": busy, "cortex": 0, "misp-connector": 0})
    settings = read({}, services=("hive",))
    assert settings.ports["hive"] > busy
    assert settings.notices == [f"port {busy} is in use, hive takes {settings.ports['hive']}"]


@pytest.mark.parametrize("port", ["x", "-1", "70000", "1.5"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(LauncherError, match="CORTEX_PORT"):
        read({"CORTEX_PORT": port})


def test_zero_takes_any_free_port() -> None:
    ports = read({"HIVE_PORT": "0", "CORTEX_PORT": "0", "MISP_CONNECTOR_PORT": "0"}).ports
    assert len(set(ports.values())) == 3
    assert min(ports.values()) > 0


def test_a_well_known_password_is_refused_unless_on_loopback(capsys: pytest.CaptureFixture[str]) -> None:
    free = {"HIVE_PORT": "0", "CORTEX_PORT": "0", "MISP_CONNECTOR_PORT": "0", "HIVE_ADMIN_PASSWORD": "secret"}
    with pytest.raises(LauncherError, match="well-known"):
        read({**free, "WAGGLE_HOST": "0.0.0.0"})
    assert read({**free, "WAGGLE_HOST": "127.0.0.1"}).hive_password == "secret"
    assert "well-known" in capsys.readouterr().err


def test_no_password_is_made_up_here() -> None:
    settings = read({"HIVE_PORT": "0", "CORTEX_PORT": "0", "MISP_CONNECTOR_PORT": "0"})
    assert settings.hive_password is None
    assert settings.hive_login == "admin@thehive.local"
