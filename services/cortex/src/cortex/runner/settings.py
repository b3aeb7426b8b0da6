"""The runner's settings, from the environment alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """A setting is missing or unusable; the text names it."""


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    database_url: str
    """DSN of the role `cortex_system`."""
    blobs: str
    """Where files lie: a folder or an `s3://` URL."""
    secret_keys: str
    """Keys of the secret box that workers' configurations are sealed with."""
    job_directory: Path
    """Parent of the job folders."""
    analyzers_python: str | None
    """Interpreter of the analyzers' environment; its folder goes first in an analyzer's PATH."""
    environments: str | None
    """Where `cortex analyzers install` has put the analyzers' environments."""
    concurrency: int
    """Jobs at the same time."""
    lease_seconds: float
    """A runner that has not beaten for this long has lost its jobs; it beats three times as often."""
    job_timeout_seconds: float
    """For workers that set no time limit of their own."""
    job_memory_mib: int
    """Address space of an analyzer's process, 0 = unlimited."""
    job_disk_mib: int
    """What a job may write, 0 = unlimited."""
    job_processes: int
    """Processes and threads of one job at once, 0 = unlimited."""
    sandbox: str
    """`require` refuses a job when a layer of the sandbox is missing, `best-effort` runs it and writes into it what was."""
    sandbox_read: tuple[str, ...]
    """Further folders that every job may read and execute from: interpreters outside of /usr."""
    egress_allow: tuple[str, ...]
    """Hosts, addresses and CIDRs that jobs may reach although they are not public."""
    egress_direct: tuple[str, ...]
    """Definitions (`Name_1_0`) that keep the machine's own network: for protocols that no HTTP proxy carries."""
    runners: tuple[str, ...]
    """The ways to run a job, in the order in which the first that fits is taken."""
    misp_modules_url: str | None
    """A misp-modules server whose expansion modules are analyzers; None = off."""
    docker_url: str | None
    """The Docker daemon (`unix:///var/run/docker.sock`, `tcp://…`), for the runner docker; None = as `docker` finds it."""
    docker_job_directory: str | None
    """The daemon's name for CORTEX_JOB_DIRECTORY, when the runner is in a container itself."""
    docker_image_prefix: str
    """Goes before every image's name, verbatim."""
    docker_auto_update: bool
    """Pulls images before every run, not only where they are missing."""
    docker_network: str
    """The network of containers whose flavor does not declare none."""
    warm_modules: tuple[str, ...]
    """What a warm environment has imported before it forks; what it does not have is left out."""
    warm_environments: int
    """Warm environments kept while idle; each takes some 30 MiB."""
    max_report_mib: int
    """Longest `output.json` that is read."""
    stop_grace_seconds: float
    """How long running jobs may go on after SIGTERM before they are handed back."""
    keep_job_folder: bool
    """Keeps the job folders, secrets included: to find out why an analyzer fails."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str] | None = None) -> RunnerSettings:
        env = os.environ if env is None else env

        def required(name: str) -> str:
            value = env.get(name, "")
            if not value:
                raise SettingsError(f"{name} is not set")
            return value

        def number(name: str, default: float, *, least: float = 0) -> float:
            text = env.get(name, "")
            try:
                value = float(text) if text else default
            except ValueError:
                raise SettingsError(f"{name} is not a number: {text}") from None
            if not least <= value < 1e9:
                raise SettingsError(f"{name} must be at least {least:g}")
            return value

        def listed(name: str, default: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in (env.get(name) or default).split(",") if part.strip())

        def one_of(name: str, *known: str) -> str:
            value = env.get(name) or known[0]
            if value not in known:
                raise SettingsError(f"{name} must be one of {', '.join(known)}, not {value}")
            return value

        return cls(
            database_url=required("CORTEX_DATABASE_SYSTEM_URL"),
            blobs=required("CORTEX_BLOBS"),
            secret_keys=env.get("CORTEX_SECRET_KEYS") or required("CORTEX_SECRET_KEY"),
            job_directory=Path(env.get("CORTEX_JOB_DIRECTORY") or tempfile.gettempdir()),
            analyzers_python=env.get("CORTEX_ANALYZERS_PYTHON") or None,
            environments=env.get("CORTEX_ENVIRONMENTS") or None,
            concurrency=int(number("CORTEX_RUNNER_CONCURRENCY", os.cpu_count() or 1, least=1)),
            lease_seconds=number("CORTEX_LEASE_SECONDS", 30, least=0.3),
            job_timeout_seconds=number("CORTEX_JOB_TIMEOUT_SECONDS", 1800, least=0.1),
            job_memory_mib=int(number("CORTEX_JOB_MEMORY_MIB", 4096)),
            job_disk_mib=int(number("CORTEX_JOB_DISK_MIB", 1024)),
            job_processes=int(number("CORTEX_JOB_PROCESSES", 512)),
            sandbox=one_of("CORTEX_SANDBOX", "best-effort", "require"),
            sandbox_read=listed("CORTEX_SANDBOX_READ", ""),
            egress_allow=listed("CORTEX_EGRESS_ALLOW", ""),
            egress_direct=listed("CORTEX_EGRESS_DIRECT", ""),
            runners=listed("CORTEX_RUNNERS", "warm,process"),
            misp_modules_url=env.get("CORTEX_MISP_MODULES_URL") or None,
            docker_url=env.get("CORTEX_DOCKER_URL") or None,
            docker_job_directory=env.get("CORTEX_DOCKER_JOB_DIRECTORY") or None,
            docker_image_prefix=env.get("CORTEX_DOCKER_IMAGE_PREFIX") or "",
            docker_auto_update=env.get("CORTEX_DOCKER_AUTO_UPDATE", "true").lower() in ("1", "true"),
            docker_network=env.get("CORTEX_DOCKER_NETWORK") or "bridge",
            warm_modules=listed("CORTEX_WARM_MODULES", "cortexutils.analyzer,cortexutils.responder,requests"),
            warm_environments=int(number("CORTEX_WARM_ENVIRONMENTS", 16, least=1)),
            max_report_mib=int(number("CORTEX_MAX_REPORT_MIB", 64, least=1)),
            stop_grace_seconds=number("CORTEX_STOP_GRACE_SECONDS", 5),
            keep_job_folder=env.get("CORTEX_KEEP_JOB_FOLDER", "").lower() in ("1", "true"),
        )
