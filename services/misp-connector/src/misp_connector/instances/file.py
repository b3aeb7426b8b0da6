"""Instances from the operator's settings file, TOML or JSON:

[[instances]]
name = "partner"
url = "https://misp.partner.example/"
key_env = "PARTNER_MISP_KEY"      # or key_file = "/run/secrets/partner", or key = "…"
options = { interval = "15m", include_tags = ["tlp:*"] }
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from misp_connector.instances.config import InstanceInput
from misp_connector.instances.thehive import translated


class BadSettingsFile(Exception):
    """The settings file cannot be used; the text names the place and says what to change."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instances: list[dict[str, Any]]


def read_file(path: Path, environment: Mapping[str, str] = os.environ) -> list[InstanceInput]:
    """The instances of the file. Raises BadSettingsFile for anything that is not understood, unknown keys included."""
    try:
        text = path.read_text()
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        entries = _File.model_validate(document).instances
    except (OSError, ValueError) as error:
        raise BadSettingsFile(f"{path}: {error}") from None
    found = [_instance(entry, f"{path}, instance {number}", environment) for number, entry in enumerate(entries, start=1)]
    names = [instance.name.lower() for instance in found]
    for name in names:
        if names.count(name) > 1:
            raise BadSettingsFile(f"{path}: the name {name} is used twice")
    return found


def _instance(entry: dict[str, Any], where: str, environment: Mapping[str, str]) -> InstanceInput:
    values = {name: value for name, value in entry.items() if name not in ("key_env", "key_file")}
    given = [name for name in ("key", "key_env", "key_file") if name in entry]
    if len(given) > 1:
        raise BadSettingsFile(f"{where}: give one of {', '.join(given)}")
    if "key_env" in entry:
        values["key"] = environment.get(str(entry["key_env"]))
        if not values["key"]:
            raise BadSettingsFile(f"{where}: the environment variable {entry['key_env']} is not set")
    if "key_file" in entry:
        try:
            values["key"] = Path(str(entry["key_file"])).read_text().strip()
        except OSError as error:
            raise BadSettingsFile(f"{where}: {error}") from None
    try:
        return InstanceInput.model_validate(translated(values))
    except ValidationError as error:
        reasons = [f"{'.'.join(str(part) for part in e['loc']) or 'instance'}: {e['msg']}" for e in error.errors()]
        raise BadSettingsFile(f"{where}: {'; '.join(reasons)}") from None
