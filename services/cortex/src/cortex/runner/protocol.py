"""The seam between a job and the way it is run: warm, as a process, or in a container."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from cortex.runner.egress import Pass
from cortex.runner.job import Worker


class CannotStart(Exception):
    """The worker's program could not be started; the text tells the operator what to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    `status` is the exit status, negative = the signal that ended it; `tail` its last words; `stopped` why it was not let go on;
    `cpu` the seconds it used; `missing` what of the sandbox it ran without: {layer: reason}.
    """

    status: int
    tail: str
    stopped: Literal["time", "disk"] | None = None
    cpu: float = 0
    missing: dict[str, str] = field(default_factory=dict)


class Runner(Protocol):
    name: str
    """As it is named in CORTEX_RUNNERS and in a worker's setting."""

    @property
    def way_out(self) -> tuple[str, int] | None:
        """Where its jobs find the runner's proxy; None: they go out by themselves, or not at all."""
        ...

    def fits(self, worker: Worker) -> bool:
        """Whether this runner can run the worker at all."""
        ...

    async def run(self, worker: Worker, folder: Path, leave: Pass, *, time_limit: float) -> Ended:
        """Runs the worker on a job folder and returns when every process of it has ended; `leave` is what it may reach.

        Raises CannotStart. When cancelled, kills what it started before the cancellation goes on.
        """
        ...

    async def close(self) -> None:
        """Gives up what it holds; no job of it runs any more."""
        ...
