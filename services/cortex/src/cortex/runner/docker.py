"""Runs a worker as a container (contracts/cortex.md §5.6, "Docker"). The image brings program and environment, we the folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiodocker
import orjson

from cortex.runner.egress import Pass
from cortex.runner.folder import cacerts
from cortex.runner.job import Worker
from cortex.runner.process import PROXY_VARIABLES
from cortex.runner.protocol import CannotStart, Ended
from cortex.runner.tail import TAIL_BYTES

log = logging.getLogger(__name__)
INSIDE = "/job"
PULL_LIMIT = 600.0
"""Seconds that pulling an image may take."""
LABEL = "cortex-job"
NO_NETWORK = "none"
UNBOUND = "a container on Docker's network reaches every host, not only the declared ones; CORTEX_DOCKER_PROXY changes that"


@dataclass(frozen=True, slots=True)
class Engine:
    """How the Docker daemon is used. Bytes; processes at once; 0 = unlimited.

    `host_directory`: the daemon's name for `job_directory`, when this runner is in a container itself. `prefix` goes before every
    image's name, verbatim. `way_out`: where containers find the runner's proxy, None = nowhere. `required`: no job whose declared
    hosts cannot be held to. `update`: pull before every run, not only where the image is missing.
    """

    url: str | None
    job_directory: Path
    host_directory: Path
    prefix: str
    update: bool
    network: str
    memory: int
    processes: int
    way_out: tuple[str, int] | None = None
    required: bool = False


class DockerRunner:
    """A container per job: no privileges, no arguments, the job's folder at /job; removed when it has ended."""

    name = "docker"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._client: aiodocker.Docker | None = None
        self.way_out = engine.way_out

    def fits(self, worker: Worker) -> bool:
        return worker.docker_image is not None

    def _docker(self) -> aiodocker.Docker:
        if self._client is None:
            self._client = aiodocker.Docker(url=self._engine.url)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def run(self, worker: Worker, folder: Path, leave: Pass, *, time_limit: float) -> Ended:
        assert worker.docker_image is not None
        image = f"{self._engine.prefix}{worker.docker_image}"
        missing = {"declared hosts": UNBOUND} if leave.network.hosts and leave.url is None else {}
        if missing and self._engine.required:
            raise CannotStart(f"CORTEX_SANDBOX=require asks for what Docker does not give here: {UNBOUND}.")
        await asyncio.to_thread(open_to_others, folder)
        container: Any = None
        try:
            await self._have(image)
            container = await self._docker().containers.create(self._configuration(image, folder, leave))
            await container.start()
            return replace(await self._watch(container, time_limit), missing=missing)
        except aiodocker.DockerError as error:
            raise CannotStart(f"Docker cannot run {image}: {_reason(error)} (status {error.status})") from None
        except OSError as error:
            raise CannotStart(f"The Docker daemon does not answer: {error}. Is it running, and may this runner use it?") from None
        finally:
            if container is not None:
                await asyncio.shield(_quietly(container.delete(force=True)))

    async def _have(self, image: str) -> None:
        """Pulls the image; that it cannot be pulled is no reason not to run what is there."""
        images = self._docker().images
        if not self._engine.update:
            try:
                await images.inspect(image)
            except aiodocker.DockerError:
                log.info("image_missing", extra={"image": image})
            else:
                return
        try:
            async with asyncio.timeout(PULL_LIMIT):
                await images.pull(image)
        except (aiodocker.DockerError, TimeoutError) as error:
            log.warning("image_not_pulled", extra={"image": image, "error": str(error)})

    def _configuration(self, image: str, folder: Path, leave: Pass) -> dict[str, Any]:
        where = self._engine.host_directory / folder.relative_to(self._engine.job_directory)
        env = ["JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF8"]
        if cacerts(folder) is not None:
            env.append(f"REQUESTS_CA_BUNDLE={INSIDE}/input/cacerts")
        if leave.url is not None:
            env += [f"{name}={leave.url}" for name in PROXY_VARIABLES]
        host: dict[str, Any] = {
            "Binds": [f"{where}:{INSIDE}:rw"],
            "NetworkMode": NO_NETWORK if leave.network.hosts == () else self._engine.network,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
        }
        if self._engine.memory:
            host["Memory"] = self._engine.memory
        if self._engine.processes:
            host["PidsLimit"] = self._engine.processes
        return {"Image": image, "Env": env, "Labels": {LABEL: folder.name}, "HostConfig": host}

    async def _watch(self, container: Any, time_limit: float) -> Ended:
        try:
            async with asyncio.timeout(time_limit):
                status = int((await container.wait())["StatusCode"])
            return Ended(status, await _words(container))
        except TimeoutError:
            await _quietly(container.kill())
            return Ended(137, await _words(container), "time")


def _reason(error: aiodocker.DockerError) -> str:
    """The daemon's own words; some calls give them as it sent them, in JSON."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(orjson.loads(error.message)["message"])
    return str(error.message)


async def _words(container: Any) -> str:
    return "".join(await container.log(stdout=True, stderr=True))[-TAIL_BYTES:]


async def _quietly(call: Awaitable[Any]) -> None:
    """What is gone already needs no killing or removing."""
    try:
        await call
    except aiodocker.DockerError as error:
        log.info("container_gone", extra={"error": str(error)})


def open_to_others(folder: Path) -> None:
    """Containers run under users of their own: they must read the input and write the output. The parent's mode (0711) and the
    folder's random name keep others out."""
    for path in (folder, folder / "input"):
        path.chmod(0o755)
    (folder / "output").chmod(0o777)
    for path in (folder / "input").iterdir():
        path.chmod(0o644)
