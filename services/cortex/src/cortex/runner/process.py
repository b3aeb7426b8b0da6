"""Runs a worker as a process of this machine, cold or warm: contracts/cortex.md §5.6, "Process".

Both ways a zygote forks the job and puts it into its sandbox. Cold, the fork then executes the program: any language. Warm, the
zygote is one that has imported what the environment's analyzers import, and the fork runs the unmodified script.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cortex.runner.commands import Commands
from cortex.runner.egress import LOCALHOST, Pass
from cortex.runner.folder import cacerts, size_of
from cortex.runner.identity import MARK, RunnerId
from cortex.runner.job import Worker
from cortex.runner.protocol import CannotStart, Ended
from cortex.runner.tail import Tail
from cortex.runner.zygote import Kind, Zygote
from cortex.runner.zygotes import Zygotes
from cortex.zygote.order import Ending, Order

KILL_AFTER = 3.0
"""Seconds between SIGTERM and SIGKILL."""
LOOK_EVERY = 0.5
"""Seconds between looks at how much a job has written."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
PASSED = ("TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""All that an analyzer inherits; the runner's own environment holds the keys of the house."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a job may use. Bytes; processes at once; 0 = unlimited. `required`: no job without the whole sandbox."""

    memory: int
    disk: int
    processes: int
    required: bool = False
    readable: tuple[str, ...] = ()


class _ZygoteRunner:
    """What running cold and warm have in common."""

    name: str

    def __init__(self, runner_id: RunnerId, zygotes: Zygotes, commands: Commands, bounds: Bounds) -> None:
        self._id = runner_id
        self._zygotes = zygotes
        self._commands = commands
        self._bounds = bounds

    @property
    def way_out(self) -> tuple[str, int] | None:
        return LOCALHOST, self._zygotes.egress.port

    async def close(self) -> None:
        """The zygotes are shared by the runners; who made them closes them."""

    def _environment(self, command: Path, folder: Path, leave: Pass) -> dict[str, str]:
        interpreter = Path(self._commands.interpreter(command))
        path = os.environ.get("PATH") or DEFAULT_PATH
        env = {name: os.environ[name] for name in PASSED if name in os.environ}
        env |= {
            "PATH": f"{interpreter.parent}:{path}" if interpreter.is_absolute() else path,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: str(self._id),
        }
        if bundle := cacerts(folder):
            env["REQUESTS_CA_BUNDLE"] = str(bundle)
        if leave.url is not None:
            env |= dict.fromkeys(PROXY_VARIABLES, leave.url)
        return env

    async def _run(
        self, kind: Kind, worker: Worker, command: Path, arguments: list[str], folder: Path, leave: Pass, *, time_limit: float
    ) -> Ended:
        zygote = await self._zygotes.get(kind)
        missing = zygote.greeting.missing
        if missing and self._bounds.required:
            raise CannotStart(
                "This machine does not give the sandbox that CORTEX_SANDBOX=require asks for. Missing: "
                + "; ".join(f"{layer} ({why})" for layer, why in missing.items())
                + ". `cortex doctor` shows it."
            )
        order = Order(
            id=0,
            argv=arguments,
            cwd=worker.root or str(command.parent.parent),
            env=self._environment(command, folder, leave),
            folder=str(folder),
            readable=[*self._commands.readable(worker, command), *self._bounds.readable],
            warm=bool(kind.preload),
            network=leave.mode,
            ports=[] if leave.url is None else [self._zygotes.egress.port],
            memory=self._bounds.memory,
            file_size=self._bounds.disk,
            processes=self._bounds.processes,
        )
        output = Tail()
        try:
            number, ending = zygote.order(order, output.write_end)
            stopped = await self._watch(zygote, number, ending, folder, time_limit)
            ended = ending.result()
            self._check_start(ended, command, arguments)
            return Ended(ended.status, output.text(), stopped, ended.cpu, missing)
        finally:
            output.close()

    def _check_start(self, ended: Ending, command: Path, arguments: list[str]) -> None:
        if ended.text is not None:
            raise CannotStart(f"{command} cannot be started: {ended.text} (CORTEX_JOB_MEMORY_MIB?)")
        if ended.errno is not None:
            raise CannotStart(self._commands.start_failure(ended.errno, command, arguments))

    async def _watch(
        self, zygote: Zygote, number: int, ending: asyncio.Future[Ending], folder: Path, time_limit: float
    ) -> Literal["time", "disk"] | None:
        """Waits for the end; why the job was not let go on, if it was not."""
        until = time.monotonic() + time_limit
        try:
            while True:
                left = until - time.monotonic()
                if left <= 0:
                    return "time"
                done, _ = await asyncio.wait({ending}, timeout=min(left, LOOK_EVERY))
                if done:
                    return None
                if self._bounds.disk and await asyncio.to_thread(size_of, folder) > self._bounds.disk:
                    return "disk"
        finally:
            if not ending.done():
                await asyncio.shield(_end(zygote, number, ending))


async def _end(zygote: Zygote, number: int, ending: asyncio.Future[Ending]) -> None:
    """TERM to the job's process group, KILL to everything it has started after KILL_AFTER seconds."""
    for which, patience in ((signal.SIGTERM, KILL_AFTER), (signal.SIGKILL, None)):
        zygote.signal(number, which)
        await asyncio.wait({ending}, timeout=patience)
        if ending.done():
            return


class ProcessRunner(_ZygoteRunner):
    """Cold: whatever can be executed."""

    name = "process"

    def fits(self, worker: Worker) -> bool:
        return worker.command is not None

    async def run(self, worker: Worker, folder: Path, leave: Pass, *, time_limit: float) -> Ended:
        command = self._commands.command_of(worker)
        arguments = self._commands.arguments(command, folder)
        return await self._run(
            Kind(sys.executable, (), leave.network.direct), worker, command, arguments, folder, leave, time_limit=time_limit
        )


class WarmRunner(_ZygoteRunner):
    """Warm: Python scripts for the environment's own interpreter. `preload` are the modules that its zygote has imported."""

    name = "warm"

    def __init__(
        self, runner_id: RunnerId, zygotes: Zygotes, commands: Commands, bounds: Bounds, *, preload: tuple[str, ...]
    ) -> None:
        super().__init__(runner_id, zygotes, commands, bounds)
        self._preload = preload

    def fits(self, worker: Worker) -> bool:
        return worker.command is not None and self._commands.is_python(Path(worker.command))

    async def run(self, worker: Worker, folder: Path, leave: Pass, *, time_limit: float) -> Ended:
        command = self._commands.command_of(worker)
        kind = Kind(self._commands.interpreter(command), self._preload, leave.network.direct)
        return await self._run(kind, worker, command, [str(command), str(folder)], folder, leave, time_limit=time_limit)
