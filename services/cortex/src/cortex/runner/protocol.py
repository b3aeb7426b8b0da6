"""The seam between a job and the way it is run: as a process today, warm or in a container later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cortex.runner.job import Worker


class CannotStart(Exception):
    """The worker's program could not be started; the text tells the operator what to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. `status` is the exit status, negative = the signal that ended it; `tail` its last words."""

    status: int
    tail: str
    timed_out: bool


class Runner(Protocol):
    def fits(self, worker: Worker) -> bool:
        """Whether this runner can run the worker at all."""
        ...

    async def run(self, worker: Worker, folder: Path, *, time_limit: float) -> Ended:
        """Runs the worker on a job folder and returns when every process of it has ended.

        Raises CannotStart. When cancelled, kills what it started before the cancellation goes on.
        """
        ...
