"""One job from its claim to its outcome: folder, run, result, files."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cortex import configuration
from cortex.runner import folder as folders
from cortex.runner.egress import Egress, Network, Pass
from cortex.runner.identity import RunnerId
from cortex.runner.job import Failure, Job, Outcome, Report, Worker
from cortex.runner.output import InvalidOutput, NoOutput, read_output
from cortex.runner.protocol import CannotStart, Ended, Runner
from cortex.runner.store import DEADLINE_OVER
from cortex.secrets import Scrubber, masked
from waggle.blobs import BlobMissing, BlobStore
from waggle.ids import now_ms
from waggle.security.secretbox import SealBroken, SecretBox

MAX_INLINE_REPORT = 256 * 1024
SHORT_OUTPUT = 64 * 1024
MOST_PRINTED = 4000
MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
DISABLED = "The worker was disabled before its job could run."
NO_RUNNER = "Worker cannot be run: no runner of this engine fits it (it names no command)."
NO_BRIDGE = "Worker cannot be run: the runner knows no misp-modules server. Set CORTEX_MISP_MODULES_URL for it too."
NOT_ITS_RUNNER = (
    "Worker cannot be run: its runner is set to {0}, which cannot run it here; this engine's runners are {1} (CORTEX_RUNNERS)."
)


class Refused(Exception):
    """The job cannot be run, or came to nothing; the text says why, the notes how it ran."""

    def __init__(self, text: str, notes: list[tuple[str, str]] | None = None) -> None:
        super().__init__(text)
        self.notes = notes or []


@dataclass(frozen=True, slots=True)
class Execution:
    """What it takes to run jobs, shared by all of a runner's jobs. Times in seconds, sizes in bytes."""

    runner_id: RunnerId
    runners: Sequence[Runner]
    blobs: BlobStore
    box: SecretBox
    job_directory: Path
    default_time_limit: float
    max_report: int
    keep_folder: bool
    egress: Egress
    direct: frozenset[str] = frozenset()
    """Definitions that keep the machine's own network, by the operator's word."""

    async def run(self, job: Job) -> Outcome:
        """Runs the job. Whatever goes wrong with it is its outcome, not an exception of ours."""
        try:
            worker, config = self._worker_of(job)
        except Refused as refusal:
            return Outcome(Failure(str(refusal)))
        leave = self._leave(worker, config)
        scrubber = Scrubber({**config, "leave_secret": leave.url})
        given = folders.job_input(job, config)
        folder = folders.make(self.job_directory, job, self.runner_id)
        try:
            await self._fill(folder, job, given)
            outcome = await self._execute(job, worker, folder, leave, scrubber)
        except Refused as refusal:
            outcome = Outcome(Failure(str(refusal)), notes=refusal.notes)
        finally:
            self.egress.withdraw(leave)
            if not (self.keep_folder or job.parameters.get("keepJobFolder") is True):
                await _remove(folder)
        outcome.notes += [("egress", f"refused: {text}") for text in leave.refused]
        return _scrubbed(outcome, scrubber, given)

    def _leave(self, worker: Worker, config: dict[str, Any]) -> Pass:
        """What the job may reach. Its way out goes where cortexutils looks for one; the worker's own proxies lie behind it."""
        name = worker.definition_id
        network = Network(direct=True) if name in self.direct else Network.declared(worker.network)
        leave = self.egress.open(network, config["proxy"])
        if leave.url is not None:
            config["proxy"] = {"http": leave.url, "https": leave.url}
        return leave

    def _worker_of(self, job: Job) -> tuple[Worker, dict[str, Any]]:
        if job.worker is None:
            raise Refused(DISABLED)
        try:
            own = orjson.loads(self.box.open(job.worker.config_sealed, context=f"worker:{job.worker_id}"))
        except SealBroken as error:
            raise Refused(
                f"The worker's configuration cannot be read: {error}. Give the runner the key it was sealed with "
                "(CORTEX_SECRET_KEYS), or enter the configuration again."
            ) from None
        return job.worker, configuration.effective(job.worker.flavor_config, own)

    async def _fill(self, folder: Path, job: Job, given: dict[str, Any]) -> None:
        if job.file is not None:
            target = folders.new_attachment(folder)
            try:
                await self.blobs.copy_to(job.file.sha256, target)
            except BlobMissing:
                raise Refused(
                    f"The file of this job ({job.file.sha256}) is not in the store. The runner and the service must use "
                    "the same CORTEX_BLOBS."
                ) from None
            target.chmod(0o600)
            given |= {"file": target.name, "filename": job.file.name, "contentType": job.file.content_type}
        folders.write_input(folder, given)

    async def _execute(self, job: Job, worker: Worker, folder: Path, leave: Pass, scrubber: Scrubber) -> Outcome:
        runner = self._runner_of(worker)
        timeout = worker.timeout_minutes * 60.0 if worker.timeout_minutes else self.default_time_limit
        if job.deadline is not None:
            left = (job.deadline - now_ms()) / 1000
            if left <= 0:
                raise Refused(DEADLINE_OVER)
            timeout = min(timeout, left)
        try:
            ended = await runner.run(worker, folder, leave, time_limit=timeout)
        except CannotStart as error:
            raise Refused(str(error)) from None
        notes = [("sandbox", f"ran without: {layer} ({why})") for layer, why in ended.missing.items()]
        if ended.tail.strip():
            notes.append(("printed", scrubber.text(ended.tail)[-MOST_PRINTED:]))
        if ended.stopped == "time":
            raise Refused(_timed_out(timeout, ended), notes)
        if ended.stopped == "disk":
            raise Refused(
                f"{job.worker_name} wrote more than CORTEX_JOB_DISK_MIB allows and was stopped.{_last_words(ended)}", notes
            )
        try:
            result = await self._read(folder, scrubber)
        except NoOutput:
            raise Refused(_silent(job, worker, ended), notes) from None
        except InvalidOutput as error:
            raise Refused(f"Invalid output: {error}.{_last_words(ended)}", notes) from None
        outcome = Outcome(result, notes=notes)
        if isinstance(result, Report):
            await self._store_files(outcome, result)
        return outcome

    def _runner_of(self, worker: Worker) -> Runner:
        """The worker's own choice, else the first that fits."""
        fitting = [runner for runner in self.runners if runner.fits(worker)]
        if worker.runner is not None:
            fitting = [runner for runner in fitting if runner.name == worker.runner]
        if fitting:
            return fitting[0]
        if worker.runner is not None:
            raise Refused(NOT_ITS_RUNNER.format(worker.runner, ", ".join(runner.name for runner in self.runners)))
        raise Refused(NO_RUNNER if worker.misp_module is None else NO_BRIDGE)

    async def _read(self, folder: Path, scrubber: Scrubber) -> Report | Failure:
        """A short report is read faster than a thread is woken for it."""
        if folders.output_size(folder) <= SHORT_OUTPUT:
            return read_output(folder, scrubber, max_bytes=self.max_report)
        return await asyncio.to_thread(read_output, folder, scrubber, max_bytes=self.max_report)

    async def _store_files(self, outcome: Outcome, report: Report) -> None:
        for file in (a.file for a in report.artifacts if a.file is not None):
            if file.path not in outcome.files:
                outcome.files[file.path] = await self.blobs.put(file.path)
        text = orjson.dumps(report.full)
        if len(text) > MAX_INLINE_REPORT:
            outcome.full = await self.blobs.put(text)


async def _remove(folder: Path) -> None:
    if not folders.remove_small(folder):
        await asyncio.shield(asyncio.to_thread(folders.remove, folder))


def _scrubbed(outcome: Outcome, scrubber: Scrubber, given: dict[str, Any]) -> Outcome:
    """A failure with its text and input free of secrets; the input is what we gave, whatever the worker says it was."""
    if isinstance(outcome.result, Failure):
        shown = scrubber.value(masked(given))
        outcome.result = Failure(scrubber.text(outcome.result.message), shown)
    return outcome


def _last_words(ended: Ended) -> str:
    text = ended.tail.strip()
    return f" Its last words:\n{text}" if text else ""


def _how(ended: Ended) -> str:
    if ended.status >= 0:
        return f"ended with status {ended.status}"
    try:
        name = signal.Signals(-ended.status).name
    except ValueError:
        name = f"signal {-ended.status}"
    return f"was killed by {name}"


def _silent(job: Job, worker: Worker, ended: Ended) -> str:
    """What to say of a worker that wrote no report."""
    advice = ""
    if module := MISSING_MODULE.search(ended.tail):
        advice = (
            f" The Python module {module[1]} is missing: install the requirements of {worker.definition_id} into the analyzers' "
            "environment (CORTEX_ANALYZERS_PYTHON)."
        )
    elif "MemoryError" in ended.tail or ended.status == -signal.SIGKILL:
        advice = " It may have run out of memory: see CORTEX_JOB_MEMORY_MIB and the machine's own limit."
    elif ended.status in (126, 127):
        advice = " Its interpreter is not there: install it, or set CORTEX_ANALYZERS_PYTHON."
    return f"{job.worker_name} {_how(ended)} and wrote no output.json.{advice}{_last_words(ended)}"


def _timed_out(time_limit: float, ended: Ended) -> str:
    limit = f"{time_limit / 60:g} min" if time_limit >= 60 else f"{time_limit:g} s"
    return (
        f"The worker did not end within {limit} and was stopped, with everything it had started. "
        f"If it needs longer, raise its jobTimeout.{_last_words(ended)}"
    )
