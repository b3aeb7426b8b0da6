"""The runner's side of a zygote: starts it, sends it orders, hears how they ended."""

from __future__ import annotations

import array
import asyncio
import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cortex.runner.protocol import CannotStart
from cortex.zygote.order import MAX_PACKET, Ending, Greeting, Order

log = logging.getLogger(__name__)
PACKAGE = Path(__file__).parents[1] / "zygote"
BOOT = (
    "import importlib.util as u, json, socket, sys\n"
    "where, handle, options = sys.argv[1:]\n"
    "spec = u.spec_from_file_location('cortex_zygote', where + '/__init__.py', submodule_search_locations=[where])\n"
    "package = sys.modules['cortex_zygote'] = u.module_from_spec(spec)\n"
    "spec.loader.exec_module(package)\n"
    "from cortex_zygote.server import main\n"
    "main(socket.socket(fileno=int(handle)), json.loads(options))\n"
)
START_LIMIT = 20.0
"""Seconds until a zygote must have greeted."""
PASSED = ("PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


class ZygoteLost(Exception):
    """The zygote ended, and with it every job it had started."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells one zygote from another: the environment it has imported, and whether it sees the machine's network."""

    interpreter: str
    preload: tuple[str, ...]
    direct: bool = False


class Zygote:
    """One zygote process. `start` makes it; when it is `lost` it must be made anew."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._numbers = itertools.count(1)
        self._jobs: dict[int, asyncio.Future[Ending]] = {}
        self._greeted: asyncio.Future[Greeting] = asyncio.get_running_loop().create_future()
        self.greeting = Greeting(0, {}, [], "", False)
        self.proxy: socket.socket | None = None
        """The listening socket inside the zygote's network namespace: ours to answer, once."""
        self.lost = False
        channel.setblocking(False)
        asyncio.get_running_loop().add_reader(channel, self._hear)

    @classmethod
    async def start(cls, kind: Kind, *, proxy_port: int) -> Zygote:
        """Raises CannotStart when the interpreter is not there or does not come up. Must run in the main thread."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET)
        options = {"runner": os.getpid(), "direct": kind.direct, "preload": list(kind.preload), "port": proxy_port}
        arguments = [kind.interpreter, "-I", "-B", "-X", "utf8", "-c", BOOT]
        arguments += [str(PACKAGE), str(theirs.fileno()), json.dumps(options)]
        env = {name: os.environ[name] for name in PASSED if name in os.environ}
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork and an exec, nothing to wait for
                arguments, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            ours.close()
            raise CannotStart(
                f"The analyzers' interpreter {kind.interpreter} cannot be started: {error.strerror}. "
                "Set CORTEX_ANALYZERS_PYTHON to the python of the environment that has the analyzers' requirements."
            ) from None
        finally:
            theirs.close()
        zygote = cls(process, ours)
        try:
            async with asyncio.timeout(START_LIMIT):
                zygote.greeting = await zygote._greeted
        except (TimeoutError, ZygoteLost):
            await zygote.close()
            raise CannotStart(
                f"The interpreter {kind.interpreter} did not become ready to run jobs; the runner's log has its words."
            ) from None
        except asyncio.CancelledError:
            await zygote.close()
            raise
        log.info("zygote_ready", extra={"interpreter": kind.interpreter, "missing": zygote.greeting.missing})
        return zygote

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    async def idle(self) -> None:
        """Returns when it runs no job."""
        while self._jobs:
            await asyncio.wait(list(self._jobs.values()))

    def order(self, order: Order, output: int) -> tuple[int, asyncio.Future[Ending]]:
        """Starts a job with `output` as its standard output and error; its number here, and how it will end."""
        if self.lost:
            raise ZygoteLost
        number = next(self._numbers)
        ending = asyncio.get_running_loop().create_future()
        handles = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [output]))]
        try:
            self._channel.sendmsg([replace(order, id=number).packed()], handles)
        except BlockingIOError:
            raise CannotStart("Too many jobs are being started at once; run it again.") from None
        except OSError:
            self._lose()
            raise ZygoteLost from None
        self._jobs[number] = ending
        return number, ending

    def signal(self, number: int, which: signal.Signals) -> None:
        """To the whole process group of a job; KILL takes everything it has ever started with it."""
        if not self.lost and number in self._jobs:
            with contextlib.suppress(OSError):
                self._channel.send(json.dumps({"kill": number, "signal": int(which)}).encode())

    def _hear(self) -> None:
        try:
            packet, handles, _, _ = socket.recv_fds(self._channel, MAX_PACKET, 1)
        except BlockingIOError:
            return
        except OSError:
            packet, handles = b"", []
        if not packet:
            self._lose()
            return
        told = json.loads(packet)
        if not self._greeted.done():
            self.proxy = socket.socket(fileno=handles[0]) if handles else None
            self._greeted.set_result(Greeting(**told))
            return
        ending = Ending(**told)
        waiting = self._jobs.pop(ending.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ending)

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        asyncio.get_running_loop().remove_reader(self._channel)
        futures: list[asyncio.Future[Any]] = [self._greeted, *self._jobs.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(ZygoteLost())
                waiting.exception()  # whoever waits hears of it; nobody waiting is no fault
        self._jobs.clear()

    async def close(self) -> None:
        """Ends it and all its jobs."""
        self._lose()
        self._channel.close()
        if self._process.poll() is None:
            self._process.kill()
        await asyncio.to_thread(self._process.wait)
