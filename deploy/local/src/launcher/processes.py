"""The platform as processes: which programs, in which order, with which environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from launcher import credentials as kept
from launcher import postgres, rabbitmq
from launcher.children import Child, program
from launcher.settings import ROOT, LauncherError, Settings, prefix

DATABASES = {"hive": "hive", "cortex": "cortex", "misp-connector": "misp"}
BUS_LOGINS = {f"bus_{name}": service for service, name in DATABASES.items()}
CORTEX_INSTANCE = "local"
HEALTH_SECONDS = 60.0
NOT_PASSED_ON = frozenset({"HIVE_ORGANISATION"})
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR")


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _own_settings(name: str) -> dict[str, str]:
    """What the operator set for this service; the launcher's own variables and what it makes up itself are not passed on."""
    kept = {k: v for k, v in os.environ.items() if k.startswith(f"{name}_") and k not in NOT_PASSED_ON}
    return {k: v for k, v in kept.items() if not k.endswith(("_PORT", "_DATABASE_URL", "_PASSWORD", "_LOGIN"))}


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{quote(user, safe='')}:{quote(password, safe='')}@{place}", parts.path, parts.query, ""))


class Platform:
    """Everything between the settings and the running children. `prepare` makes it all ready, `children` are the programs."""

    def __init__(self, settings: Settings, *, split: bool) -> None:
        self.settings = settings
        self.split = split
        self.services = list(settings.ports)
        self.cluster: postgres.Cluster | None = None
        self.broker: rabbitmq.Node | None = None
        self.secrets = kept.service_secrets(settings)
        self.credentials, self.shown = kept.credentials(settings)
        self.public_keys: dict[str, str] = {}

    # --- databases -------------------------------------------------------------------------------------------------

    @property
    def _embedded(self) -> bool:
        return self.settings.amqp_url is None or any(s not in self.settings.database_urls for s in self.services)

    def start_database(self) -> None:
        if not self._embedded:
            return
        self.cluster = postgres.start(self.settings.home / "postgres", die_with_parent=True)
        wanted = [DATABASES[s] for s in self.services if s not in self.settings.database_urls]
        if self.settings.amqp_url is None:
            wanted.append("bus")
        databases: list[dict[str, Any]] = [
            {"name": n, "owner": f"{n}_owner", "password": self.secrets[f"{n}_owner"]} for n in wanted
        ]
        for database in databases:
            if database["name"] == "bus":
                database["logins"] = {login: self.secrets[login] for login in BUS_LOGINS}
        request = {"superuser_url": self.cluster.url, "databases": databases}
        self._run("making the databases", [sys.executable, "-m", "waggle.db.provision"], self._base_env(), stdin=request)

    def start_broker(self) -> None:
        """A private RabbitMQ node, where the person asked for one with BUS=rabbitmq and gave no broker."""
        if os.environ.get("BUS") == "rabbitmq" and self.settings.amqp_url is None:
            self.broker = rabbitmq.start(self.settings.home / "rabbitmq")
            self.settings.amqp_url = self.broker.url

    def owner_url(self, service: str) -> str:
        name = DATABASES[service]
        if service in self.settings.database_urls:
            return self.settings.database_urls[service]
        assert self.cluster is not None
        return _with_login(self.cluster.database_url(name), f"{name}_owner", self.secrets[f"{name}_owner"])

    def login_url(self, service: str, kind: str) -> str:
        role = f"{DATABASES[service]}_{kind}"
        return _with_login(self.owner_url(service), role, self.secrets[role])

    def bus_url(self, role: str) -> str:
        assert self.cluster is not None
        return _with_login(self.cluster.database_url("bus"), role, self.secrets[role])

    # --- environments ----------------------------------------------------------------------------------------------

    def _base_env(self) -> dict[str, str]:
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**env, "PYTHONUNBUFFERED": "1"}

    def url(self, service: str) -> str:
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::") else self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.ports[service]}"

    def _senders(self) -> str:
        return json.dumps({name: {"keys": [key], "organisations": None} for name, key in self.public_keys.items()})

    def _service_keys(self, service: str) -> dict[str, str]:
        """The keys by which the neighbours fetch files here, one per neighbour."""
        return {other: self.secrets[f"claims_{other}_at_{service}"] for other in DATABASES if other != service}

    def _neighbour_keys(self, service: str) -> dict[str, str]:
        others = [s for s in self.services if s != service]
        return {self.url(other): self.secrets[f"claims_{service}_at_{other}"] for other in others}

    def env(self, service: str, *, owner: bool = False) -> dict[str, str]:
        """The environment of a service's programs; the owner's DSN only for those that migrate and seed."""
        name = prefix(service)
        home = self.settings.home
        env = {
            **self._base_env(),
            **_own_settings(name),
            f"{name}_DATABASE_APP_URL": self.login_url(service, "app"),
            f"{name}_DATABASE_SYSTEM_URL": self.login_url(service, "system"),
            f"{name}_BLOBS": str(home / service / "blobs"),
            f"{name}_SECRET_KEY": self.secrets[f"{service}_key32"],
            f"{name}_SERVICE_KEYS": json.dumps(self._service_keys(service)),
            f"{name}_NEIGHBOUR_KEYS": json.dumps(self._neighbour_keys(service)),
            f"{name}_INTERNAL_URL": self.url(service),
            f"{name}_PAGES": str(ROOT / "web" / service / "dist"),
            f"{name}_PUBLIC_URL": self.settings.public_url or self.url(service),
            "WAGGLE_OUTBOUND_ALLOW": self.settings.outbound_allow,
            "WAGGLE_SIGNING_KEY": self.secrets[f"signing_{service}"],
            "WAGGLE_SENDERS": self._senders(),
        }
        if service == "hive" and "misp-connector" in self.services:
            env["HIVE_MISP_CONNECTOR_URL"] = self.url("misp-connector")
        if owner:
            env[f"{name}_DATABASE_URL"] = self.owner_url(service)
        if self.settings.amqp_url:
            env["WAGGLE_AMQP_URL"] = self.settings.amqp_url
        else:
            env["BUS_DATABASE_URL"] = self.bus_url(f"bus_{DATABASES[service]}")
        if service == "cortex":
            env |= self._cortex_env()
        if service == "misp-connector":
            # the demo's feed lies in a folder, and it is set over REST as a person would
            env.setdefault("MISP_CONNECTOR_FEED_FOLDERS", str(ROOT / "deploy" / "local" / "demo" / "feed"))
        return env

    def _cortex_env(self) -> dict[str, str]:
        defaults = {
            "CORTEX_ANALYZER_PATHS": str(ROOT / "analyzers"),
            "CORTEX_ANALYZERS_PYTHON": str(ROOT / ".venvs" / "analyzers" / "bin" / "python"),
        }
        own = {"CORTEX_INSTANCE": CORTEX_INSTANCE, "CORTEX_JOB_DIRECTORY": str(self.settings.home / "cortex" / "jobs")}
        return {**{k: os.environ.get(k) or v for k, v in defaults.items()}, **own}

    # --- one-off programs ------------------------------------------------------------------------------------------

    def _run(self, what: str, command: list[str], env: dict[str, str], *, stdin: Any = None) -> str:
        text = None if stdin is None else json.dumps(stdin)
        done = subprocess.run(command, env=env, input=text, capture_output=True, text=True)
        if done.returncode != 0:
            tail = (done.stderr or done.stdout).strip()[-3000:]
            raise LauncherError(f"{what} failed with status {done.returncode}:\n{tail}")
        return done.stdout

    def _make_signing_keys(self) -> None:
        request = {s: self.secrets.get(f"signing_{s}", "") for s in DATABASES}
        command = [sys.executable, "-m", "waggle.messaging.setup", "keys"]
        made = json.loads(self._run("making keys", command, self._base_env(), stdin=request))
        for service, pair in made.items():
            if self.secrets.get(f"signing_{service}") != pair["private"]:
                self.secrets.keep(f"signing_{service}", pair["private"])
            self.public_keys[service] = pair["public"]

    def _install_bus(self) -> None:
        if self.settings.amqp_url:
            return
        command = [sys.executable, "-m", "waggle.messaging.setup", "schema"]
        request = {"owner_url": self.bus_url("bus_owner"), "logins": BUS_LOGINS}
        self._run("making the bus", command, self._base_env(), stdin=request)

    def _migrate_and_seed(self, service: str) -> None:
        """Once per version of the service and of what is seeded; always where the database is somebody else's."""
        for part in ("blobs", "jobs"):
            (self.settings.home / service / part).mkdir(parents=True, exist_ok=True)
        stamp = self.settings.home / service / "prepared"
        wanted = self._preparation(service)
        if service not in self.settings.database_urls and stamp.is_file() and stamp.read_text() == wanted:
            return
        program = _program(service)
        env = self.env(service, owner=True)
        command = [program, "seed", "--migrate", "--json", "-"]
        self._run(f"preparing {service}'s database", command, env, stdin=self._seed(service))
        stamp.write_text(wanted)

    def _preparation(self, service: str) -> str:
        """A digest of all that migration and seed depend on."""
        total = hashlib.sha256(json.dumps([self._seed(service), self.login_url(service, "app")], sort_keys=True).encode())
        folder = ROOT / "services" / service
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.sql"), *(ROOT / "analyzers").glob("*/*.json")]):
            if "tests" not in path.parts:
                total.update(path.read_bytes())
        return total.hexdigest()

    def _seed(self, service: str) -> dict[str, Any]:
        own = self.credentials[service]
        if service == "hive":
            login = {"login": own["login"]}
            seed: dict[str, Any] = {
                "admin": {**login, "password": own["password"]},
                "organisation": self.settings.hive_organisation,
                "org_admin": {**login, "api_key": own["api_key"]},
                "cortex_servers": [{"name": CORTEX_INSTANCE, "kind": "bus"}] if "cortex" in self.services else [],
                "templates": True,
            }
            return seed
        if service == "cortex":
            link = {"service": "hive", "organisation": self.settings.hive_organisation, "user": "hive"}
            return {
                "organisation": self.settings.hive_organisation,
                "admin": {"login": own["login"], "password": own["password"]},
                "user": {"login": "hive", "api_key": own["api_key"], "roles": ["read", "analyze", "orgadmin"]},
                "enable_all": True,
                "service_links": [link],
            }
        return {"api_key": own["api_key"], "organisations": [self.settings.hive_organisation]}

    # --- all of it -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Databases, broker, keys, migrations and first objects, as much at once as there are cores for."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor() as pool:
            keys = pool.submit(self._make_signing_keys)
            self.start_database()  # these two in the main thread: what they start dies with the thread that started it
            self.start_broker()
            keys.result()
            bus = pool.submit(self._install_bus)
            list(pool.map(self._migrate_and_seed, self.services))
            bus.result()

    def children(self) -> list[Child]:
        logs = self.settings.home / "logs"
        logs.mkdir(exist_ok=True)
        made = []
        for service in self.services:
            env = self.env(service)
            address = ["--host", self.settings.host, "--port", str(self.settings.ports[service])]
            if self.split:
                made.append(("api", service, [_program(service), "serve", "--api-only", *address], env))
                made.append(("work", service, [_program(service), "work"], env))
            else:
                made.append(("", service, [_program(service), "serve", *address], env))
            if service == "cortex":
                made.append(("runner", service, [sys.executable, "-m", "cortex.runner"], env))
        return [
            Child(f"{service} {part}".strip(), service, program(command, env, log), log)
            for part, service, command, env in made
            for log in [logs / f"{service}{'-' if part else ''}{part}.log"]
        ]

    def ground(self) -> list[Child]:
        """The database and the broker that were started here, as processes to be watched."""
        found = []
        if self.cluster:
            log = self.cluster.folder / "postgres.log"
            process, failures = self.cluster.process, (OSError, postgres.PostgresError)
            found.append(Child("postgres", "postgres", self._restart_database, log, process, failures))
        if self.broker:
            log = self.broker.folder / "console.log"
            process, errors = self.broker.broker, (OSError, rabbitmq.RabbitError)
            found.append(Child("rabbitmq", "rabbitmq", self._restart_broker, log, process, errors))
        return found

    def _restart_database(self) -> subprocess.Popen[bytes]:
        assert self.cluster is not None
        self.cluster = postgres.start(self.cluster.folder, port=self.cluster.port)
        return self.cluster.process

    def _restart_broker(self) -> subprocess.Popen[bytes]:
        assert self.broker is not None
        self.broker.stop(kill=True)
        self.broker = rabbitmq.start(self.broker.folder, self.broker.port)
        return self.broker.broker

    def write_ready(self, children: Iterable[Child]) -> None:
        ready: dict[str, Any] = {s: {"url": self.url(s), "pids": []} for s in self.services}
        for child in children:
            if child.pid:
                ready[child.service]["pids"].append(child.pid)
        if self.cluster:
            ready["postgres"] = {"pids": [self.cluster.process.pid]}
        if self.broker:
            ready["rabbitmq"] = {"pids": self.broker.pids}
        ready["credentials"] = str(self.settings.home / "credentials.json")
        kept.write_private(self.settings.home / "ready.json", ready)

    def wait_until_healthy(self, children: list[Child], stopping: Any) -> None:
        deadline = time.monotonic() + HEALTH_SECONDS
        waiting = dict.fromkeys(self.services)
        while waiting and not stopping():
            for service in list(waiting):
                if _healthy(self.url(service)):
                    del waiting[service]
            for child in children:
                if child.process and child.process.poll() is not None:
                    raise LauncherError(f"{child.name} ended with status {child.process.returncode}:\n{child.last_lines()}")
            if time.monotonic() > deadline:
                names = ", ".join(waiting)
                raise LauncherError(
                    f"not healthy within {HEALTH_SECONDS:.0f} s: {names}; logs are in {self.settings.home / 'logs'}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        if self.broker:
            self.broker.stop()
        if self.cluster:
            self.cluster.stop()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
