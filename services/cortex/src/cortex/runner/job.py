"""A claimed job and the outcome of running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from waggle.blobs import Blob


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file job's file: its content's hash and the name and type the caller gave."""

    sha256: str
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Worker:
    """What has to be started, and with which configuration."""

    kind: str
    definition_id: str
    command: str | None
    root: str | None
    flavor_config: dict[str, Any]
    config_sealed: bytes
    timeout_minutes: int | None
    network: Any = None
    """What its flavor declares: "none", a list of hosts, or nothing."""
    docker_image: str | None = None
    misp_module: dict[str, Any] | None = None
    """The module of a misp-modules server that answers in place of a program."""
    runner: str | None = None
    """The runner that its operator has chosen; None: the first that fits."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job under a lease of ours. `attempt` is the lease's number: whoever finishes must still hold it."""

    id: UUID
    attempt: int
    org_id: str
    worker_id: str
    worker_name: str
    data_type: str
    data: str | None
    file: InputFile | None
    tlp: int
    pap: int
    message: str
    parameters: dict[str, Any]
    worker: Worker | None
    """None: the worker was disabled while the job waited."""
    deadline: int | None = None
    """After this time (ms) nobody wants the answer."""

    @property
    def hex(self) -> str:
        return self.id.hex


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file an analyzer left in `output/`."""

    path: Path
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something the analyzer found: a value or a file, never both."""

    data_type: str
    data: str | None
    file: OutputFile | None
    tlp: str
    tags: list[str]
    message: str | None


@dataclass(frozen=True, slots=True)
class Report:
    summary: dict[str, Any]
    full: dict[str, Any]
    operations: list[dict[str, Any]]
    artifacts: list[Artifact]
    verdict: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """`message` is for the operator; `input` what the worker was given, without its secrets."""

    message: str
    input: dict[str, Any] | None = None


@dataclass(slots=True)
class Outcome:
    """How a job ended, ready to be written."""

    result: Report | Failure
    files: dict[Path, Blob] = field(default_factory=dict)
    full: Blob | None = None
    """The long report's blob."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """What the operator should know of how it ran: (what, detail), for the job's events."""
