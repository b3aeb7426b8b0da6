"""What the person may set, read once from the environment.

Ports: 0 = any free one. A default port that is busy moves to the next free one and says so; a given port that is busy is
an error.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SERVICES = ("hive", "cortex", "misp-connector")
DEFAULT_PORTS = {"hive": 9000, "cortex": 9001, "misp-connector": 9002}
WELL_KNOWN = frozenset({"admin", "secret", "password", "changeme", "thehive1234", "thehive", "cortex", "misp", "waggle"})
LOOPBACK = ("127.", "::1", "localhost")
ROOT = Path(__file__).resolve().parents[4]


class LauncherError(Exception):
    """Something the person has to change; the text is the one line they read."""


def prefix(service: str) -> str:
    """`misp-connector` → `MISP_CONNECTOR`, as its environment variables begin."""
    return service.replace("-", "_").upper()


@dataclass
class Settings:
    home: Path
    host: str
    ports: dict[str, int]
    database_urls: dict[str, str]
    amqp_url: str | None
    public_url: str | None
    outbound_allow: str
    hive_login: str
    hive_password: str | None
    hive_organisation: str
    cortex_login: str
    cortex_password: str | None
    notices: list[str] = field(default_factory=list)


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _port(service: str, host: str, env: Mapping[str, str], taken: set[int], notices: list[str]) -> int:
    name = f"{prefix(service)}_PORT"
    given = env.get(name, "").strip()
    if given:
        if not given.isdigit() or int(given) > 65535:
            raise LauncherError(f"{name}={given} is not a port: give a number from 0 to 65535")
        if int(given) == 0:
            return free_port(host)
        if not is_free(host, int(given)):
            raise LauncherError(f"{name}={given}: port {given} on {host} is in use; choose another, or 0 for any free one")
        return int(given)
    wanted = port = DEFAULT_PORTS[service]
    while port in taken or not is_free(host, port):
        port += 1
        if port > wanted + 1000:
            raise LauncherError(f"no free port for {service} from {wanted} on; set {name}")
    if port != wanted:
        notices.append(f"port {wanted} is in use, {service} takes {port}")
    return port


def checked_password(name: str, password: str | None, host: str) -> str | None:
    """A given password as it is; a well-known one is refused unless the platform listens on loopback only (threats S34)."""
    if not password:
        return None
    if password.lower() in WELL_KNOWN:
        if not host.startswith(LOOPBACK):
            raise LauncherError(f"{name} is a well-known password; it is accepted on loopback only, and WAGGLE_HOST is {host}")
        print(f"waggle: warning: {name} is a well-known password", file=sys.stderr, flush=True)
    return password


def read(env: Mapping[str, str] | None = None, services: tuple[str, ...] = SERVICES) -> Settings:
    env = os.environ if env is None else env
    host = env.get("WAGGLE_HOST", "127.0.0.1")
    notices: list[str] = []
    ports: dict[str, int] = {}
    for service in services:
        reserved = {DEFAULT_PORTS[s] for s in services if s != service} | set(ports.values())
        ports[service] = _port(service, host, env, reserved, notices)
    return Settings(
        home=Path(env.get("WAGGLE_HOME") or ROOT / ".waggle").absolute(),
        host=host,
        ports=ports,
        database_urls={s: env[f"{prefix(s)}_DATABASE_URL"] for s in services if env.get(f"{prefix(s)}_DATABASE_URL")},
        amqp_url=env.get("WAGGLE_AMQP_URL") or None,
        public_url=env.get("WAGGLE_PUBLIC_URL") or None,
        outbound_allow=env.get("WAGGLE_OUTBOUND_ALLOW", ""),
        hive_login=env.get("HIVE_ADMIN_LOGIN") or "admin@thehive.local",
        hive_password=checked_password("HIVE_ADMIN_PASSWORD", env.get("HIVE_ADMIN_PASSWORD"), host),
        hive_organisation=env.get("HIVE_ORGANISATION") or "main-org",
        cortex_login=env.get("CORTEX_ADMIN_LOGIN") or "admin",
        cortex_password=checked_password("CORTEX_ADMIN_PASSWORD", env.get("CORTEX_ADMIN_PASSWORD"), host),
        notices=notices,
    )


def new_password() -> str:
    return secrets.token_urlsafe(15)


def new_key() -> str:
    """An API key: 256 bits, and never text that a client could take for a JSON number."""
    return "wk" + secrets.token_urlsafe(32)
