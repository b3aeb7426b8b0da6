"""Makes the deployment's secrets on the first start and hands each container its own: run once by the service `secrets`.

    make_secrets.py <folder>           <folder>/<container>/env and further files; what exists is kept
    make_secrets.py <folder> --show    prints the log-ins and API keys made for people

`<folder>/vault/secrets.json` is the one place that holds all of them. Nothing has a default; nothing is ever overwritten with
another value, so it may run before every start. A running service gets no owner's password: only its set-up container does.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from waggle.messaging.rights import rabbit_definitions
from waggle.messaging.signing import Signer

UID = GID = 10001
"""The user of the services' images."""
POSTGRES_UID = 999
RABBITMQ_UID = 100
"""Users of the official images: postgres on Debian, rabbitmq on Alpine."""

DATABASES = {"hive": "hive", "cortex": "cortex", "misp-connector": "misp"}
PORTS = {"hive": 9000, "cortex": 9001, "misp-connector": 9002}
FETCHES = (("hive", "cortex"), ("hive", "misp-connector"), ("cortex", "hive"), ("misp-connector", "hive"))
"""Who fetches files and large messages from whom."""

CORTEX_INSTANCE = "local"
LOGIN = "admin@thehive.local"


class Vault(dict[str, str]):
    """Secrets by name, made when they are first asked for. Names ending in `_key32` are 32 bytes in URL-safe base64."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(json.loads(path.read_text()) if path.exists() else {})

    def __missing__(self, name: str) -> str:
        if name.startswith("signing_"):
            self[name] = Signer.new_key()
        elif name.endswith("_key32"):
            self[name] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        else:
            self[name] = secrets.token_urlsafe(32)
        return self[name]

    def save(self) -> None:
        private_file(self._path, json.dumps(self, indent=2), owner=0)


def private_file(path: Path, content: str, *, owner: int) -> None:
    """Written beside and renamed, 0400, for one user of one container."""
    folder_for(path.parent, owner=owner)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "w") as file:
        file.write(content)
    if os.getuid() == 0:
        os.chown(beside, owner, owner)
    beside.replace(path)


def folder_for(path: Path, *, owner: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(path, owner, owner)


def env_file(values: Mapping[str, str]) -> str:
    """For the shell that starts the container (deploy/docker/entrypoint.sh)."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


def dsn(vault: Vault, service: str, role: str) -> str:
    name = DATABASES[service]
    return f"postgresql://{name}_{role}:{quote(vault[f'{name}_{role}'], safe='')}@postgres:5432/{name}"


def prefix(service: str) -> str:
    return service.upper().replace("-", "_")


def service_env(vault: Vault, service: str) -> dict[str, str]:
    """What a running service needs to know that nobody else may."""
    name = prefix(service)
    fetched = {f"http://{at}:{PORTS[at]}": vault[f"claims_{by}_at_{at}"] for by, at in FETCHES if by == service}
    public = {s: {"keys": [Signer(vault[f"signing_{s}"]).public_key], "organisations": None} for s in DATABASES}
    return {
        f"{name}_DATABASE_APP_URL": dsn(vault, service, "app"),
        f"{name}_DATABASE_SYSTEM_URL": dsn(vault, service, "system"),
        f"{name}_SECRET_KEY": vault[f"{service}_key32"],
        f"{name}_SERVICE_KEYS": json.dumps({by: vault[f"claims_{by}_at_{at}"] for by, at in FETCHES if at == service}),
        f"{name}_METRICS_TOKEN": vault["metrics_token"],
        **({f"{name}_NEIGHBOUR_KEYS": json.dumps(fetched)} if fetched else {}),
        "WAGGLE_AMQP_URL": f"amqp://{service}:{quote(vault[f'amqp_{service}'], safe='')}@rabbitmq:5672/",
        "WAGGLE_SIGNING_KEY": vault[f"signing_{service}"],
        "WAGGLE_SENDERS": json.dumps(public),
    }


def runner_env(vault: Vault) -> dict[str, str]:
    """The runner executes foreign code: it gets the database and the box's key, and no way onto the bus."""
    return {
        "CORTEX_DATABASE_SYSTEM_URL": dsn(vault, "cortex", "system"),
        "CORTEX_SECRET_KEY": vault["cortex_key32"],
    }


def seeds(vault: Vault, organisation: str) -> dict[str, Any]:
    """The first content of each service, in the form of its `seed` command."""
    return {
        "hive": {
            "admin": {"login": LOGIN, "password": vault["hive_admin_password"]},
            "organisation": organisation,
            "org_admin": {"login": LOGIN, "api_key": vault["hive_api_key"]},
            "cortex_servers": [{"name": CORTEX_INSTANCE, "kind": "bus"}],
            "templates": True,
        },
        "cortex": {
            "organisation": organisation,
            "admin": {"login": "admin", "password": vault["cortex_admin_password"]},
            "user": {"login": "hive", "api_key": vault["cortex_api_key"], "roles": ["read", "analyze", "orgadmin"]},
            "enable_all": True,
            "service_links": [{"service": "hive", "organisation": organisation, "user": "hive"}],
        },
        "misp-connector": {"api_key": vault["misp_connector_api_key"], "organisations": [organisation]},
    }


def provision_request(vault: Vault) -> dict[str, Any]:
    """For `python -m waggle.db.provision`."""
    return {
        "superuser_url": f"postgresql://postgres:{quote(vault['postgres'], safe='')}@postgres:5432/postgres",
        "databases": [
            {"name": name, "owner": f"{name}_owner", "password": vault[f"{name}_owner"]} for name in DATABASES.values()
        ],
    }


def write_all(folder: Path, organisation: str) -> None:
    vault = Vault(folder / "vault" / "secrets.json")
    planted = seeds(vault, organisation)
    private_file(folder / "postgres" / "password", vault["postgres"], owner=POSTGRES_UID)
    private_file(folder / "databases" / "request.json", json.dumps(provision_request(vault)), owner=UID)
    users = {service: (service, vault[f"amqp_{service}"]) for service in DATABASES}
    definitions = folder / "rabbitmq" / "definitions.json"
    if not definitions.exists():  # the password hashes are salted anew each time
        private_file(definitions, json.dumps(rabbit_definitions(users)), owner=RABBITMQ_UID)  # type: ignore[arg-type]
    for service in DATABASES:
        running = service_env(vault, service)
        private_file(folder / service / "env", env_file(running), owner=UID)
        owner = {f"{prefix(service)}_DATABASE_URL": dsn(vault, service, "owner")}
        private_file(folder / f"{service}-setup" / "env", env_file({**running, **owner}), owner=UID)
        private_file(folder / f"{service}-setup" / "seed.json", json.dumps(planted[service]), owner=UID)
    private_file(folder / "cortex-runner" / "env", env_file(runner_env(vault)), owner=UID)
    folder_for(folder / "proxy", owner=UID)
    vault.save()


def show(folder: Path) -> None:
    vault = Vault(folder / "vault" / "secrets.json")
    made = {
        "hive": {"login": LOGIN, "password": vault["hive_admin_password"], "api_key": vault["hive_api_key"]},
        "cortex": {"login": "admin", "password": vault["cortex_admin_password"], "api_key": vault["cortex_api_key"]},
        "misp-connector": {"api_key": vault["misp_connector_api_key"]},
    }
    sys.stdout.write(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if "--show" in sys.argv[2:]:
        show(target)
    else:
        write_all(target, os.environ["WAGGLE_ORGANISATION"])
