"""Credentials are random, kept, private, and shown once."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from launcher.credentials import credentials, service_secrets
from launcher.settings import Settings, read


def settings(home: Path, **given: str) -> Settings:
    ports = {"HIVE_PORT": "0", "CORTEX_PORT": "0", "MISP_CONNECTOR_PORT": "0"}
    return read({**ports, "WAGGLE_HOME": str(home), **given})


def test_a_random_password_is_shown_once_and_kept(tmp_path: Path) -> None:
    first, shown = credentials(settings(tmp_path))
    again, shown_again = credentials(settings(tmp_path))
    assert first == again == json.loads((tmp_path / "credentials.json").read_text())
    assert any(first["hive"]["password"] in line for line in shown)
    assert shown_again == []
    assert first["hive"]["password"] != first["cortex"]["password"]


def test_a_given_password_is_taken_as_given_and_not_shown(tmp_path: Path) -> None:
    kept, shown = credentials(settings(tmp_path, HIVE_ADMIN_PASSWORD="a given one", CORTEX_ADMIN_PASSWORD="another one"))
    assert kept["hive"]["password"] == "a given one"
    assert shown == []


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    credentials(settings(tmp_path))
    assert service_secrets(settings(tmp_path))["hive_app"]
    for name in ("credentials.json", "secrets.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_secret_stays_the_same(tmp_path: Path) -> None:
    first = service_secrets(settings(tmp_path))["hive_key32"]
    assert service_secrets(settings(tmp_path))["hive_key32"] == first
