"""The deployment's secrets, made for real: every container gets what its program needs, and nothing of another's."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from compose import ROOT, SERVICES, environment, mounts
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from cortex.runner.settings import RunnerSettings
from cortex.seed import Seed as CortexSeed
from cortex.settings import Settings as CortexSettings
from hive.seed import Seed as HiveSeed
from hive.settings import Settings as HiveSettings
from misp_connector.seed import Seed as ConnectorSeed
from misp_connector.settings import Settings as ConnectorSettings
from waggle.contracts.envelope import Envelope
from waggle.ids import now_ms, uuid7
from waggle.messaging import BusSettings

DOCKER = ROOT / "deploy" / "docker"
PROGRAMS: dict[str, type[BaseSettings]] = {"hive": HiveSettings, "cortex": CortexSettings, "misp-connector": ConnectorSettings}
SEEDS = {"hive": HiveSeed, "cortex": CortexSeed, "misp-connector": ConnectorSeed}
RUNNER = (ROOT / "services" / "cortex" / "src" / "cortex" / "runner" / "settings.py").read_text()


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(DOCKER / "make_secrets.py"), str(folder), *arguments],
        env={"PATH": os.environ["PATH"], "WAGGLE_ORGANISATION": "Überwachung & Söhne"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    make(folder)
    return folder


def inside(secrets: Path, name: str) -> dict[str, str]:
    """The environment of a container's program: compose's, and its secrets through the entry point."""
    (folder,) = (source.removesuffix("-secrets") for source, target, _ in mounts(name) if target == "/run/waggle")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        ["/bin/sh", str(DOCKER / "entrypoint.sh"), sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "WAGGLE_SECRETS": str(secrets / folder), **environment(name)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def names_of(settings: type[BaseSettings]) -> set[str]:
    """The environment variables that a settings class reads."""
    names = set()
    for field, about in settings.model_fields.items():
        alias = about.validation_alias
        if isinstance(alias, AliasChoices):
            names |= {str(choice) for choice in alias.choices}
        else:
            names.add(str(alias or f"{settings.model_config.get('env_prefix', '')}{field}").upper())
    return names


SERVICE_CONTAINERS = sorted(n for n in SERVICES if n.removesuffix("-worker").removesuffix("-setup") in PROGRAMS)


@pytest.mark.parametrize("name", SERVICE_CONTAINERS)
def test_every_program_finds_the_settings_it_needs(secrets: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inside(secrets, name)
    for variable, value in found.items():
        monkeypatch.setenv(variable, value)
    program = PROGRAMS[name.removesuffix("-worker").removesuffix("-setup")]
    settings = program()
    owner = getattr(settings, "database_url")  # noqa: B009 (each class has its own)
    assert (owner is not None) == name.endswith("-setup")
    assert BusSettings().amqp_url is not None


@pytest.mark.parametrize("name", [*SERVICE_CONTAINERS, "cortex-runner"])
def test_no_variable_is_set_that_nobody_reads(secrets: Path, name: str) -> None:
    known = names_of(BusSettings) | {name for settings in PROGRAMS.values() for name in names_of(settings)}
    for variable in inside(secrets, name):
        if variable.startswith(("HIVE_", "CORTEX_", "MISP_CONNECTOR_", "WAGGLE_", "BUS_")) and variable != "WAGGLE_SECRETS":
            assert variable in known or f'"{variable}"' in RUNNER, variable


def test_the_runner_finds_its_settings_and_gets_no_way_onto_the_bus(secrets: Path) -> None:
    found = inside(secrets, "cortex-runner")
    settings = RunnerSettings.from_environment({**found, "CORTEX_JOB_DIRECTORY": "/jobs"})
    assert settings.database_url.startswith("postgresql://cortex_system:") and settings.concurrency == 4
    assert not {"WAGGLE_AMQP_URL", "WAGGLE_SIGNING_KEY", "CORTEX_DATABASE_APP_URL"} & set(found)


@pytest.mark.parametrize("service", SEEDS)
def test_seeds_are_what_the_seed_commands_read(secrets: Path, service: str) -> None:
    seed = json.loads((secrets / f"{service}-setup" / "seed.json").read_text())
    SEEDS[service].model_validate(seed)
    assert "Überwachung & Söhne" in json.dumps(seed, ensure_ascii=False)


def test_what_one_service_signs_the_others_believe(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = Envelope(id=uuid7(), type="misp.poll_requested.v1", source="hive", time=now_ms(), key="x", data={})
    for variable, value in inside(secrets, "hive").items():
        monkeypatch.setenv(variable, value)
    signed = BusSettings().signer().sign(envelope)
    for variable, value in inside(secrets, "misp-connector").items():
        monkeypatch.setenv(variable, value)
    BusSettings().keyring().verify(signed)


def test_the_services_agree_on_the_keys_by_which_they_fetch(secrets: Path) -> None:
    hive, cortex, connector = (inside(secrets, name) for name in ("hive", "cortex", "misp-connector"))
    fetched = json.loads(hive["HIVE_NEIGHBOUR_KEYS"])
    assert fetched[connector["MISP_CONNECTOR_INTERNAL_URL"]] == json.loads(connector["MISP_CONNECTOR_SERVICE_KEYS"])["hive"]
    assert fetched[cortex["CORTEX_INTERNAL_URL"]] == json.loads(cortex["CORTEX_SERVICE_KEYS"])["hive"]
    back = json.loads(cortex["CORTEX_NEIGHBOUR_KEYS"])
    assert back[hive["HIVE_INTERNAL_URL"]] == json.loads(hive["HIVE_SERVICE_KEYS"])["cortex"]


def test_rabbitmq_has_one_user_per_service_with_rights_on_its_own(secrets: Path) -> None:
    made = json.loads((secrets / "rabbitmq" / "definitions.json").read_text())
    users = {user["name"]: user for user in made["users"]}
    assert set(users) == set(PROGRAMS) and all(user["tags"] == "" for user in users.values())
    for right in made["permissions"]:
        assert ".*" not in (right["configure"], right["write"], right["read"])
    assert {right["user"]: right["configure"] for right in made["permissions"]}["misp-connector"] == r"^misp\..*$"
    for name in PROGRAMS:
        assert f"amqp://{name}:" in inside(secrets, name)["WAGGLE_AMQP_URL"]


def test_files_are_for_their_owner_alone(secrets: Path) -> None:
    files = [path for path in secrets.rglob("*") if path.is_file()]
    assert files
    for path in files:
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o400, path
        if os.getuid() == 0:
            wanted = {"vault": 0, "postgres": 999, "rabbitmq": 100}.get(path.parent.name, 10001)
            assert status.st_uid == wanted, path


def test_a_second_run_changes_nothing(secrets: Path) -> None:
    before = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    make(secrets)
    assert {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()} == before


def test_two_installations_have_nothing_in_common(secrets: Path, tmp_path: Path) -> None:
    make(tmp_path)
    one, other = (json.loads((folder / "vault" / "secrets.json").read_text()) for folder in (secrets, tmp_path))
    assert set(one) == set(other) and not set(one.values()) & set(other.values())
    assert len(set(one.values())) == len(one)
    assert all(len(value) >= 40 for value in one.values())


def test_people_are_shown_what_was_made_for_them(secrets: Path) -> None:
    shown = json.loads(make(secrets, "--show"))
    seed = json.loads((secrets / "hive-setup" / "seed.json").read_text())
    assert shown["hive"]["password"] == seed["admin"]["password"] and shown["hive"]["api_key"] == seed["org_admin"]["api_key"]
    assert (
        shown["misp-connector"]["api_key"] == json.loads((secrets / "misp-connector-setup" / "seed.json").read_text())["api_key"]
    )


class TestHealthCheck:
    @pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (302, False)])
    def test_a_service_is_healthy_when_it_says_so(self, status: int, healthy: bool) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            assert load("healthcheck").answers(f"http://127.0.0.1:{server.server_port}/health") is healthy

    def test_a_service_that_does_not_answer_is_not(self) -> None:
        assert load("healthcheck").answers("http://127.0.0.1:9/health") is False

    @pytest.mark.parametrize(("state", "healthy"), [("01", True), ("0A", False)])
    def test_a_worker_is_healthy_while_it_holds_a_connection(self, tmp_path: Path, state: str, healthy: bool) -> None:
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "tcp").write_text(f"  sl  local rem st\n   0: 0100007F:1538 0100007F:D2F0 {state} 00000000\n")
        assert load("healthcheck").connected(tmp_path) is healthy
