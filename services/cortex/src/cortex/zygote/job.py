"""What a job's process does between the fork and its program."""

from __future__ import annotations

import contextlib
import os
import signal
import types

from . import script
from .confinement import Ground, confine
from .linux import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl
from .order import Order

MOST_HANDLES = 4096
FAULT = 3
"""The number that the pipe for what goes wrong has in the child."""
CANNOT_START = 97


def become(order: Order, ground: Ground, code: types.CodeType | None, output: int, fault: int) -> None:
    """Turns this forked process into the job. Does not return."""
    status = CANNOT_START
    try:
        _forget(output, fault)
        status = _start(order, ground, code) if ground.pids else _keep(order, ground, code)
    except OSError as error:
        _say(f"E{error.errno or 0}")
    except BaseException as error:  # whatever it was, it must not run on as a second zygote
        _say(f"X{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _say(text: str) -> None:
    """One line to the zygote: E<errno of the start>, X<what went wrong before it>, S<how the program ended>."""
    with contextlib.suppress(OSError):
        os.write(FAULT, text.replace("\n", " ").encode()[:2000] + b"\n")


def _forget(output: int, fault: int) -> None:
    """Nothing of the zygote's is left in the way. `_start` closes its handles, when the sandbox is built."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_DUMPABLE, 1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    kept = os.dup2(fault, max(fault, output, nothing) + 1, inheritable=False)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target, inheritable=True)
    os.dup2(kept, FAULT, inheritable=False)


def _start(order: Order, ground: Ground, code: types.CodeType | None) -> int:
    os.environ.clear()
    os.environ.update(order.env)
    os.chdir(order.cwd)
    os.umask(0o077)
    try:
        confine(order, ground)
    except OSError as error:
        _say(f"XThe sandbox could not be built: {error}")
        return CANNOT_START
    os.closerange(FAULT + 1, MOST_HANDLES)
    if not order.warm:
        os.execve(order.argv[0], order.argv, order.env)
    os.close(FAULT)
    return script.run(order.argv, code)


def _keep(order: Order, ground: Ground, code: types.CodeType | None) -> int:
    """Stays as the parent of the program where there is no PID namespace.

    Whatever the program leaves behind becomes a child of this process, and is killed by it.
    """
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    program = os.fork()
    if not program:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        status = CANNOT_START
        try:
            status = _start(order, ground, code)
        except OSError as error:
            _say(f"E{error.errno or 0}")
        finally:
            os._exit(status)
    for handle in (1, 2):
        os.close(handle)
    while True:
        pid, found = os.wait()
        if pid == program:
            break
    _say(f"S{os.waitstatus_to_exitcode(found)}")
    end_children()
    return 0


def end_children(spared: frozenset[int] = frozenset()) -> None:
    """Kills this process' children but the spared, and those that they leave to it, until there are none."""
    for _ in range(1000):
        try:
            with open("/proc/thread-self/children", "rb") as file:
                found = [pid for pid in map(int, file.read().split()) if pid not in spared]
        except OSError:
            return
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.waitpid(pid, 0)
