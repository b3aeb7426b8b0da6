"""The runner itself: claims jobs while it has room, beats for those it runs, takes over from runners that are gone."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Any

import asyncpg

from cortex.runner import folder, identity, store
from cortex.runner.commands import Commands
from cortex.runner.egress import Egress
from cortex.runner.execution import Execution
from cortex.runner.finishing import DATABASE_AWAY, Finisher
from cortex.runner.identity import RunnerId
from cortex.runner.job import Failure, Job, Outcome
from cortex.runner.process import Bounds, ProcessRunner, WarmRunner
from cortex.runner.protocol import Runner
from cortex.runner.settings import RunnerSettings, SettingsError
from cortex.runner.store import Store
from cortex.runner.zygote import ZygoteLost
from cortex.runner.zygotes import Zygotes
from waggle.blobs import open_store
from waggle.security.secretbox import SecretBox
from waggle.waiting import wait_at_most

log = logging.getLogger(__name__)
LOOK_EVERY = 1.0
"""Seconds between looks into the queue when no wake-up comes."""
RETRY_EVERY = 1.0
ZYGOTE_LOST = "The process that analyzers are forked from was lost each time this job ran. See the runner's log and the kernel's."
OUR_FAULT = "The engine failed while it ran this job: {0}. See the runner's log for job {1}."


class JobLoop:
    """Runs up to `concurrency` jobs of `execution` at once, under leases kept in `store`."""

    def __init__(self, jobs: Store, execution: Execution, *, concurrency: int, lease_seconds: float, stop_grace: float) -> None:
        self._store = jobs
        self._execution = execution
        self._concurrency = concurrency
        self._beat_every = lease_seconds / 3
        self._stop_grace = stop_grace
        self._finisher = Finisher(jobs)
        self._running: dict[asyncio.Task[None], Job] = {}
        self._stopping = asyncio.Event()
        self._look = asyncio.Event()
        self._beat_now = asyncio.Event()

    def stop(self) -> None:
        """Takes no more jobs; `run` returns when the running ones have ended or been handed back."""
        self._stopping.set()
        self._look.set()

    def dispatch_changed(self, *_: Any) -> None:
        self._look.set()

    def jobs_deleted(self, *_: Any) -> None:
        self._beat_now.set()

    async def run(self) -> None:
        background = [asyncio.create_task(self._beat()), asyncio.create_task(self._reclaim())]
        try:
            while not self._stopping.is_set():
                self._look.clear()
                if len(self._running) < self._concurrency and await self._take(self._concurrency - len(self._running)):
                    continue
                await wait_at_most(self._look, LOOK_EVERY)
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)

    async def _take(self, room: int) -> bool:
        """Whether there may be more."""
        try:
            jobs = await self._store.claim(room)
        except DATABASE_AWAY as error:
            log.warning("database_away", extra={"error": str(error)})
            await asyncio.sleep(RETRY_EVERY)
            return False
        for job in jobs:
            task = asyncio.create_task(self._work(job))
            self._running[task] = job
            task.add_done_callback(self._ended)
        return len(jobs) == room

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._look.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("job_not_finished", exc_info=error)

    async def _work(self, job: Job) -> None:
        marks = {"job": job.hex, "attempt": job.attempt, "worker": job.worker_name}
        log.debug("job_started", extra=marks)
        try:
            outcome = await self._execution.run(job)
        except asyncio.CancelledError:
            log.info("job_stopped", extra=marks)
            raise
        except ZygoteLost:
            await self._lost(job)
            return
        except Exception as error:  # the job must end, and the runner go on, whatever this job has hit
            log.exception("job_broke_the_runner", extra=marks)
            outcome = Outcome(Failure(OUR_FAULT.format(f"{type(error).__name__}: {error}", job.hex)))
        kept = await self._finisher.finish(job, outcome)
        status = "Failure" if isinstance(outcome.result, Failure) else "Success"
        log.info("job_ended", extra={**marks, "status": status if kept else "dropped: the lease was gone"})

    async def _lost(self, job: Job) -> None:
        """The process that jobs are forked from has died, and this job with it: another try, but not without end."""
        log.error("zygote_lost", extra={"job": job.hex, "attempt": job.attempt})
        if job.attempt >= store.MAX_LOSSES:
            await self._finisher.finish(job, Outcome(Failure(ZYGOTE_LOST)))
        else:
            await self._store.hand_back(job, "the process that analyzers are forked from was lost")

    async def _beat(self) -> None:
        while True:
            await wait_at_most(self._beat_now, self._beat_every)
            self._beat_now.clear()
            jobs = list(self._running.values())
            if not jobs:
                continue
            try:
                ours = await self._store.beat(jobs)
                for task, job in list(self._running.items()):
                    if job in jobs and job.id not in ours and not task.done():
                        task.cancel()
                        await asyncio.gather(task, return_exceptions=True)
                        await self._store.release(job)
            except DATABASE_AWAY as error:
                log.warning("database_away", extra={"waiting_to": "beat", "error": str(error)})

    async def _reclaim(self) -> None:
        while True:
            try:
                again, failed = await self._store.reclaim()
                await self._store.expire()
                if again or failed:
                    log.warning("leases_lost", extra={"again": again, "failed": failed})
            except DATABASE_AWAY as error:
                log.warning("database_away", extra={"waiting_to": "reclaim", "error": str(error)})
            await asyncio.sleep(self._beat_every)

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(list(self._running), timeout=self._stop_grace)
        for task, job in list(self._running.items()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._store.hand_back(job, "the runner was stopped")
            log.info("job_handed_back", extra={"job": job.hex})


async def _listen(url: str, loop: JobLoop) -> None:
    """Keeps one connection that hears of new and deleted jobs; while it is away the looks every second stand in."""
    while True:
        connection: asyncpg.Connection | None = None
        try:
            connection = await asyncpg.connect(url, timeout=5, server_settings={"application_name": "cortex-runner"})
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _c, gone=gone: gone.set())
            await connection.add_listener("dispatch", loop.dispatch_changed)
            await connection.add_listener("job_deleted", loop.jobs_deleted)
            loop.dispatch_changed()
            await gone.wait()
        except (*DATABASE_AWAY, TimeoutError) as error:
            log.warning("database_away", extra={"waiting_to": "listen", "error": str(error)})
        finally:
            if connection is not None and not connection.is_closed():
                connection.terminate()
        await asyncio.sleep(RETRY_EVERY)


async def _connect(settings: RunnerSettings) -> asyncpg.Pool:
    while True:
        try:
            return await asyncpg.create_pool(
                settings.database_url,
                min_size=1,
                max_size=max(2, min(settings.concurrency, 8)),
                init=store.prepare,
                reset=store.leave,
                timeout=5,
                server_settings={"application_name": "cortex-runner", "jit": "off", "plan_cache_mode": "force_generic_plan"},
            )
        except (*DATABASE_AWAY, TimeoutError) as error:
            log.warning("database_away", extra={"waiting_to": "start", "error": str(error)})
            await asyncio.sleep(RETRY_EVERY)


def _tidy(settings: RunnerSettings) -> None:
    settings.job_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    killed, removed = identity.kill_orphans(), folder.remove_orphans(settings.job_directory)
    if killed or removed:
        log.warning("orphans_of_a_killed_runner", extra={"processes_killed": killed, "folders_removed": removed})


def bounds_of(settings: RunnerSettings) -> Bounds:
    return Bounds(
        memory=settings.job_memory_mib * 2**20,
        disk=settings.job_disk_mib * 2**20,
        processes=settings.job_processes,
        required=settings.sandbox == "require",
        readable=settings.sandbox_read,
    )


def runners_of(settings: RunnerSettings, runner_id: RunnerId, zygotes: Zygotes) -> list[Runner]:
    """The ways to run a job that the settings name, in their order."""
    commands = Commands(settings.analyzers_python, Path(settings.environments) if settings.environments else None)
    bounds = bounds_of(settings)
    known: dict[str, Runner] = {
        "warm": WarmRunner(runner_id, zygotes, commands, bounds, preload=settings.warm_modules),
        "process": ProcessRunner(runner_id, zygotes, commands, bounds),
    }
    if "docker" in settings.runners:
        known["docker"] = _docker_runner(settings)
    if unknown := [name for name in settings.runners if name not in known]:
        raise SettingsError(f"CORTEX_RUNNERS names what is no runner: {', '.join(unknown)}")
    named = [known[name] for name in settings.runners]
    return [*named, _module_runner(settings)] if settings.misp_modules_url else named


def _module_runner(settings: RunnerSettings) -> Runner:
    """Imported only where it is wanted, like the next."""
    from cortex.bridge.runner import ModuleRunner

    assert settings.misp_modules_url is not None
    return ModuleRunner(settings.misp_modules_url, max_answer=settings.max_report_mib * 2**20)


def _docker_runner(settings: RunnerSettings) -> Runner:
    """Imported only where it is wanted: its client is most of what a runner would hold in memory."""
    from cortex.runner.docker import DockerRunner, Engine

    settings.job_directory.chmod(0o711)
    engine = Engine(
        url=settings.docker_url,
        job_directory=settings.job_directory,
        host_directory=Path(settings.docker_job_directory or settings.job_directory),
        prefix=settings.docker_image_prefix,
        update=settings.docker_auto_update,
        network=settings.docker_network,
        memory=settings.job_memory_mib * 2**20,
        processes=settings.job_processes,
    )
    return DockerRunner(engine)


async def run(settings: RunnerSettings) -> None:
    """Runs jobs until SIGTERM or SIGINT."""
    _tidy(settings)
    runner_id = RunnerId.own()
    egress = Egress(settings.egress_allow)
    await egress.start()
    zygotes = Zygotes(egress, most=settings.warm_environments)
    execution = Execution(
        runner_id=runner_id,
        runners=runners_of(settings, runner_id, zygotes),
        blobs=open_store(settings.blobs),
        box=SecretBox([key for key in settings.secret_keys.split(",") if key]),
        job_directory=settings.job_directory,
        default_time_limit=settings.job_timeout_seconds,
        max_report=settings.max_report_mib * 2**20,
        keep_folder=settings.keep_job_folder,
        egress=egress,
        direct=frozenset(settings.egress_direct),
    )
    async with await _connect(settings) as pool:
        jobs = Store(pool, runner=str(runner_id), lease_seconds=settings.lease_seconds)
        loop = JobLoop(
            jobs,
            execution,
            concurrency=settings.concurrency,
            lease_seconds=settings.lease_seconds,
            stop_grace=settings.stop_grace_seconds,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, loop.stop)
        listening = asyncio.create_task(_listen(settings.database_url, loop))
        log.info("runner_ready", extra={"runner": str(runner_id), "concurrency": settings.concurrency})
        try:
            await loop.run()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            for runner in execution.runners:
                await runner.close()
            await zygotes.close()
            await egress.close()
    log.info("runner_stopped")
