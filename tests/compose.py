"""docker-compose.yml as the tests read it: merged anchors, no engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = sorted(name for name, service in SERVICES.items() if service["restart"] == "no")
LASTING = sorted(set(SERVICES) - set(ONCE))
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<default>:-[^}]*)?\}")

SERVICE_KEYS = {
    "build": "object",
    "cap_add": "array",
    "cap_drop": "array",
    "command": "array",
    "depends_on": "object",
    "environment": "object",
    "healthcheck": "object",
    "hostname": "string",
    "image": "string",
    "logging": "object",
    "network_mode": "string",
    "networks": ["array", "object"],
    "pids_limit": "integer",
    "ports": "array",
    "read_only": "boolean",
    "restart": "string",
    "security_opt": "array",
    "shm_size": "string",
    "stop_grace_period": "string",
    "tmpfs": "array",
    "user": "string",
    "volumes": "array",
}
SCHEMA = {
    "type": "object",
    "required": ["name", "services", "networks", "volumes"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string"},
        "networks": {"type": "object"},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["image", "user", "read_only", "cap_drop", "security_opt", "restart", "logging"],
                "properties": {
                    **{name: {"type": kind} for name, kind in SERVICE_KEYS.items()},
                    "environment": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                    "command": {"type": "array", "items": {"type": "string"}},
                    "healthcheck": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["test", "interval", "timeout", "retries", "start_period"],
                        "properties": {
                            "test": {"type": "array", "items": {"type": "string"}},
                            "retries": {"type": "integer"},
                            **{
                                name: {"type": "string", "pattern": "^[0-9]+s$"}
                                for name in ("interval", "timeout", "start_period")
                            },
                        },
                    },
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["condition"],
                            "properties": {"condition": {"enum": ["service_healthy", "service_completed_successfully"]}},
                        },
                    },
                    "build": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["context", "dockerfile"],
                        "properties": {name: {"type": "string"} for name in ("context", "dockerfile", "target")},
                    },
                },
            },
        },
    },
    "additionalProperties": False,
}
"""The part of the Compose specification that our file uses: anything else is a misspelt key until it is added here."""


def mounts(name: str) -> list[tuple[str, str, bool]]:
    """Source, target and whether it is read-only of each volume of a service."""
    found = []
    for mount in SERVICES[name].get("volumes", []):
        text = VARIABLE.sub(lambda m: (m["default"] or ":-")[2:], mount)
        source, target, *mode = text.split(":")
        found.append((source, target, "ro" in mode))
    return found


def environment(name: str) -> dict[str, str]:
    """A service's environment with the defaults of its variables."""
    given = SERVICES[name].get("environment", {})
    return {key: VARIABLE.sub(lambda m: (m["default"] or ":-")[2:], str(value)) for key, value in given.items()}
