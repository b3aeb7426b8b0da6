"""What the platform makes up for itself on the first start and keeps in its home, readable by its owner alone.

`credentials.json` is for people and scripts (log-ins and API keys), `secrets.json` for the services (database passwords, keys
that seal stored secrets, keys with which the services know each other).
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from launcher.settings import Settings, new_key, new_password


def write_private(path: Path, content: Any) -> None:
    """Written beside and renamed, so that a kill leaves the old or the new file, never half of one; mode 0600."""
    temporary = path.with_suffix(".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return dict(found)


def credentials(settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """The credentials, kept or made, and the lines that show a password made just now (once)."""
    path = settings.home / "credentials.json"
    kept = read_json(path)
    shown: list[str] = []
    result: dict[str, Any] = {}
    for service, login, given in (
        ("hive", settings.hive_login, settings.hive_password),
        ("cortex", settings.cortex_login, settings.cortex_password),
    ):
        old = kept.get(service, {})
        password = given or (old.get("password") if old.get("login") == login else None)
        if not password:
            password = new_password()
            shown.append(f"{service}: log in as {login} with password {password}")
        result[service] = {"login": login, "password": password, "api_key": old.get("api_key") or new_key()}
    result["misp-connector"] = {"api_key": kept.get("misp-connector", {}).get("api_key") or new_key()}
    write_private(path, result)
    return result, shown


def service_secrets(settings: Settings) -> Secrets:
    """One secret per name, made on first use: `secrets["hive_app"]` and the like."""
    return Secrets(settings.home / "secrets.json")


class Secrets(dict[str, str]):
    """A dictionary that makes a missing entry and keeps it in its file. Names that end in `_key32` are 32 bytes in base64."""

    def __init__(self, path: Path) -> None:
        super().__init__(read_json(path))
        self._path = path
        self._lock = threading.Lock()

    def __missing__(self, name: str) -> str:
        with self._lock:
            if name not in self:  # another thread may have made it meanwhile
                made = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
                self.keep(name, made if name.endswith("_key32") else secrets.token_urlsafe(24))
        return self[name]

    def keep(self, name: str, value: str) -> None:
        self[name] = value
        write_private(self._path, dict(self))
