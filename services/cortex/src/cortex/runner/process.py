"""Runs a worker as a process of this machine: contracts/cortex.md §5.6, "Process"."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from cortex.runner.folder import cacerts
from cortex.runner.identity import MARK, RunnerId
from cortex.runner.job import Worker
from cortex.runner.protocol import CannotStart, Ended

PR_SET_PDEATHSIG = 1
TAIL_BYTES = 32 * 1024
KILL_AFTER = 3.0
"""Seconds between SIGTERM and SIGKILL."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED = ("TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy", "no_proxy")
"""All that an analyzer inherits; the runner's own environment holds the keys of the house."""
MAX_FILE_BYTES = 2 * 1024**3
_libc = ctypes.CDLL(None, use_errno=True)


def _before_exec(parent: int, memory_mib: int) -> Callable[[], None]:
    """What the child does before it becomes the analyzer. Runs after fork: nothing here takes a lock or allocates much."""

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the runner died in between
            os._exit(98)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
        if memory_mib:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20, memory_mib * 2**20))

    return prepare


def _shebang(path: Path) -> str | None:
    """The first line's interpreter, None where there is no usable one. A CRLF line names a program that does not exist."""
    try:
        with path.open("rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    if not line.startswith(b"#!") or line.rstrip(b"\n").endswith(b"\r"):
        return None
    return line[2:].decode("utf-8", "replace").strip() or None


class ProcessRunner:
    """`analyzers_python` is the interpreter of the environment that the analyzers' requirements are installed in; an analyzer's
    own folder may bring one as `.venv`. Its `bin` goes first in PATH, so that `#!/usr/bin/env python3` finds it."""

    def __init__(self, runner_id: RunnerId, *, analyzers_python: str | None, memory_mib: int = 0) -> None:
        self._id = runner_id
        self._analyzers_python = analyzers_python
        self._memory_mib = memory_mib

    def fits(self, worker: Worker) -> bool:
        return worker.command is not None

    def _interpreter(self, command: Path) -> str:
        own = command.parent / ".venv" / "bin" / "python"
        if own.exists():
            return str(own)
        return self._analyzers_python or "python3"

    def _arguments(self, definition_id: str, command: Path, folder: Path) -> list[str]:
        if not command.is_file():
            raise CannotStart(
                f"The command of {definition_id} is not there: {command}. "
                "Check the analyzers' folder, then rescan the definitions and enable the worker again."
            )
        runnable = os.access(command, os.X_OK) and _shebang(command) is not None
        if command.suffix == ".py" and not runnable:
            return [self._interpreter(command), str(command), str(folder)]
        return [str(command), str(folder)]

    def _environment(self, command: Path, folder: Path) -> dict[str, str]:
        interpreter = Path(self._interpreter(command))
        path = os.environ.get("PATH") or DEFAULT_PATH
        env = {name: os.environ[name] for name in PASSED if name in os.environ}
        env |= {
            "PATH": f"{interpreter.parent}:{path}" if interpreter.is_absolute() else path,
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONUTF8": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: str(self._id),
        }
        if bundle := cacerts(folder):
            env["REQUESTS_CA_BUNDLE"] = str(bundle)
        return env

    async def run(self, worker: Worker, folder: Path, *, time_limit: float) -> Ended:
        if worker.command is None:
            raise CannotStart(f"{worker.definition_id} names no command.")
        command = Path(worker.command)
        arguments = self._arguments(worker.definition_id, command, folder)
        output = _Output()
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=worker.root or command.parent.parent,
                env=self._environment(command, folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.write_end,
                stderr=output.write_end,
                start_new_session=True,
                preexec_fn=_before_exec(os.getpid(), self._memory_mib),
            )
        except OSError as error:
            raise CannotStart(self._start_failure(error, command, arguments)) from None
        except subprocess.SubprocessError as error:
            raise CannotStart(f"{command} cannot be started: {error} (CORTEX_JOB_MEMORY_MIB?)") from None
        else:
            timed_out = await self._watch(process, time_limit)
            return Ended(process.returncode or 0, output.tail(), timed_out)
        finally:
            output.close()

    def _start_failure(self, error: OSError, command: Path, arguments: list[str]) -> str:
        if arguments[0] != str(command):
            return (
                f"The analyzers' interpreter {arguments[0]} cannot be started: {error.strerror}. "
                "Set CORTEX_ANALYZERS_PYTHON to the python of the environment that has the analyzers' requirements."
            )
        first = _shebang(command)
        if error.errno == errno.ENOENT and first:
            return f"{command} asks for an interpreter that is not there: {first}. Install it, or correct its first line."
        if error.errno == errno.ENOEXEC:
            return f"{command} is no program: it has no first line #!…, and its name does not end in .py."
        if error.errno == errno.EACCES:
            return f"{command} may not be executed. Make it executable: chmod +x {command}"
        return f"{command} cannot be started: {error.strerror}."

    async def _watch(self, process: asyncio.subprocess.Process, time_limit: float) -> bool:
        """Waits for the end; whether the time was up first."""
        try:
            async with asyncio.timeout(time_limit):
                await process.wait()
        except TimeoutError:
            return True
        finally:
            # also after a clean end: what the analyzer has left behind may not go on, nor write into the result
            await asyncio.shield(_end_group(process))
        return False


class _Output:
    """A pipe that keeps the last TAIL_BYTES of what a process prints.

    It is no pipe of asyncio's: those make the wait for a process last until the last holder of the pipe is gone, and a program
    that an analyzer left in another session may hold it for ever.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._tail = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._drain)

    def _drain(self) -> None:
        try:
            chunk = os.read(self._read_end, 65536)
        except BlockingIOError:
            return
        if not chunk:
            self._loop.remove_reader(self._read_end)
        self._tail += chunk
        if len(self._tail) > TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def tail(self) -> str:
        """To be called when the process has ended: whatever is still in the pipe belongs to it."""
        for _ in range(64):  # the pipe's whole capacity; a survivor may go on writing
            before = bytes(self._tail)
            self._drain()
            if bytes(self._tail) == before:
                break
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        self._loop.remove_reader(self._read_end)
        for end in (self._read_end, self.write_end):
            os.close(end)


def _signal_group(pgid: int, number: int) -> bool:
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """TERM to the whole session's group, KILL to what is left of it after KILL_AFTER seconds."""
    if process.returncode is None and _signal_group(process.pid, signal.SIGTERM):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER):
                await process.wait()
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()
