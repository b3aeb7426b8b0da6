"""docker-compose.yml, the Dockerfiles and the proxy's file, checked without a container engine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
from compose import COMPOSE, LASTING, ONCE, ROOT, SCHEMA, SERVICES, TEXT, VARIABLE, environment, mounts

DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))
ENV_EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy" / "docker" / "env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
PINNED = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?")
MADE_BY_US = re.compile(r"waggle/[\w-]+:\d+\.\d+\.\d+")
CADDY = (ROOT / "deploy" / "docker" / "Caddyfile").read_text()


def test_the_file_has_no_key_that_compose_does_not_know() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)


class TestVariables:
    def test_every_variable_has_a_default_and_is_told_of(self) -> None:
        used = {found["name"]: found["default"] for found in VARIABLE.finditer(TEXT)}
        assert all(default is not None for default in used.values())
        assert set(used) == set(ENV_EXAMPLE)

    def test_the_example_shows_the_defaults(self) -> None:
        for found in VARIABLE.finditer(TEXT):
            assert ENV_EXAMPLE[found["name"]] == (found["default"] or ":-")[2:]

    def test_a_variable_has_one_default_wherever_it_is_used(self) -> None:
        seen: dict[str, str | None] = {}
        for found in VARIABLE.finditer(TEXT):
            assert seen.setdefault(found["name"], found["default"]) == found["default"]

    def test_the_proxys_variables_are_set(self) -> None:
        assert set(re.findall(r"\{\$(\w+)\}", CADDY)) <= set(SERVICES["proxy"]["environment"])


class TestHardening:
    @pytest.mark.parametrize("name", SERVICES)
    def test_no_root_no_writable_root_no_rights(self, name: str) -> None:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"][0] == "no-new-privileges:true"
        if name != "cortex-runner":
            assert len(service["security_opt"]) == 1
        if name == "secrets":  # hands the volumes over, without a network
            assert service["network_mode"] == "none" and "networks" not in service
            assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER"}
        else:
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
            assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])

    def test_the_runner_may_make_namespaces_and_nothing_beyond(self) -> None:
        """What it is granted, the compose file explains; its seccomp profile refuses what leads out of containers."""
        granted = ["seccomp:deploy/docker/runner-seccomp.json", "systempaths=unconfined", "apparmor=unconfined"]
        assert SERVICES["cortex-runner"]["security_opt"][1:] == granted
        profile = json.loads((ROOT / "deploy" / "docker" / "runner-seccomp.json").read_text())
        refused = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ERRNO" for name in rule["names"]}
        assert refused >= {"bpf", "ptrace", "kexec_load", "init_module", "io_uring_setup", "open_by_handle_at", "keyctl"}
        assert not refused & {"unshare", "setns", "clone", "mount", "seccomp", "landlock_restrict_self"}

    @pytest.mark.parametrize("name", LASTING)
    def test_what_stays_up_has_a_health_check_and_is_started_again(self, name: str) -> None:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["pids_limit"] > 0

    def test_only_the_proxy_is_reached_from_outside(self) -> None:
        assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
        assert COMPOSE["networks"]["back"] == {"internal": True}
        for name in ("postgres", "rabbitmq"):
            assert SERVICES[name]["networks"] == ["back"]

    def test_the_proxy_shows_neither_metrics_nor_internal_routes(self) -> None:
        assert "respond @metrics 404" in CADDY and CADDY.count("respond @internal 404") == 2
        assert "/api/internal/*" in CADDY and "/api/claims/*" in CADDY

    def test_cookies_are_secure_and_only_the_proxy_is_believed(self) -> None:
        assert environment("hive")["WAGGLE_PUBLIC_URL"].startswith("https://")
        assert environment("cortex")["CORTEX_PUBLIC_URL"].startswith("https://")
        address = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
        command = SERVICES["hive"]["command"]
        assert command[command.index("--trusted-proxies") + 1] == address
        assert SERVICES["cortex"]["environment"]["CORTEX_TRUSTED_PROXIES"] == address

    def test_no_secret_is_written_anywhere(self) -> None:
        secret = re.compile(r"(passw|secret|token|api_?key)\w*\s*[=:]\s*[\"']?\w", re.IGNORECASE)
        texts = [TEXT, CADDY, (ROOT / "deploy" / "rabbitmq" / "rabbitmq.conf").read_text()]
        texts += [file.read_text() for file in DOCKERFILES]
        for line in "\n".join(texts).splitlines():
            allowed = (
                "-secrets:/" in line or "POSTGRES_PASSWORD_FILE" in line or "secrets: {" in line or line.lstrip().startswith("#")
            )
            assert allowed or not secret.search(line), line
        assert not [name for name in ENV_EXAMPLE if re.search("PASSW|SECRET|KEY|TOKEN", name)]


class TestReferences:
    @pytest.mark.parametrize("name", SERVICES)
    def test_files_and_volumes_are_there(self, name: str) -> None:
        for source, _, read_only in mounts(name):
            if source.startswith("."):
                assert (ROOT / source).exists() and read_only, source
            else:
                assert source in COMPOSE["volumes"], source

    def test_every_volume_and_network_is_used(self) -> None:
        assert {source for name in SERVICES for source, _, _ in mounts(name) if not source.startswith(".")} == set(
            COMPOSE["volumes"]
        )
        assert {network for service in SERVICES.values() for network in service.get("networks", [])} == set(COMPOSE["networks"])

    @pytest.mark.parametrize("name", SERVICES)
    def test_what_a_service_waits_for_exists_and_can_be_waited_for(self, name: str) -> None:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            assert other in (ONCE if how["condition"] == "service_completed_successfully" else LASTING)

    def test_every_container_sees_its_own_secrets_alone_and_cannot_change_them(self) -> None:
        for name in set(SERVICES) - {"secrets"}:
            secret = [(source, read_only) for source, target, read_only in mounts(name) if target == "/run/waggle"]
            if name == "proxy":
                assert secret == []
                continue
            owner = name.removesuffix("-worker") + "-secrets"
            assert secret == [(owner, True)]
        assert "vault" not in {source for name in set(SERVICES) - {"secrets"} for source, _, _ in mounts(name)}

    @pytest.mark.parametrize("name", SERVICES)
    def test_images_are_pinned(self, name: str) -> None:
        service = SERVICES[name]
        assert (MADE_BY_US if "build" in service else PINNED).fullmatch(service["image"])

    @pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
    def test_what_is_built_has_its_file_and_stage(self, name: str) -> None:
        build = SERVICES[name]["build"]
        text = (ROOT / build["context"] / build["dockerfile"]).read_text()
        assert "target" not in build or re.search(rf"^FROM .* AS {build['target']}$", text, re.MULTILINE)

    def test_one_image_is_built_one_way(self) -> None:
        ways: dict[str, object] = {}
        for service in SERVICES.values():
            if "build" in service:
                assert ways.setdefault(service["image"], service["build"]) == service["build"]


class TestDockerfiles:
    def test_there_is_one_for_each_service(self) -> None:
        assert [file.parent.name for file in DOCKERFILES] == ["cortex", "hive", "misp-connector"]

    @pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
    def test_bases_are_pinned_and_stages_exist(self, file: Path) -> None:
        stages: set[str] = set()
        for base, stage in re.findall(r"^FROM (\S+) AS (\S+)$", file.read_text(), re.MULTILINE):
            assert base in stages or PINNED.fullmatch(base), base
            stages.add(stage)
        assert set(re.findall(r"--from=(\S+)", file.read_text())) <= stages
        assert len(re.findall(r"^FROM ", file.read_text(), re.MULTILINE)) == len(stages)

    @pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
    def test_what_is_copied_is_in_the_repository(self, file: Path) -> None:
        for line in file.read_text().splitlines():
            if line.startswith("COPY ") and "--from=" not in line:
                for source in shlex.split(line)[1:-1]:
                    assert (ROOT / source).exists(), source

    @pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
    def test_the_service_is_no_root_and_packages_are_checked_by_hash(self, file: Path) -> None:
        text = file.read_text()
        assert "\nUSER 10001:10001\n" in text[text.index(" AS service") :]
        assert text.count("--require-hashes --only-binary :all:") == text.count("-r /requirements/") + text.count("pip sync")
        assert "--no-deps --no-sources --no-build-isolation" in text
