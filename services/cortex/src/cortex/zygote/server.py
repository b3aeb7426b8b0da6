"""The zygote itself: waits for orders, forks, tells how each job ended. `python -I -B -X utf8 -c <BOOT> <socket> <options>`."""

from __future__ import annotations

import array
import contextlib
import fcntl
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

from . import job, namespaces, script
from .confinement import Ground, probe
from .linux import (
    CLONE_NEWPID,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    bound_capabilities,
    clone_sleeper,
    prctl,
    setns,
    unshare,
)
from .order import MAX_PACKET, Ending, Greeting, Order

BROKEN = 70
NICENESS = 5
"""Analyzers yield to the service that takes new jobs, and to everything else on the machine."""


@dataclass(frozen=True)
class Running:
    """A job's order, the pipe for what goes wrong before its program runs, and process 1 of its PID namespace (0: none)."""

    order: int
    fault: int
    sleeper: int


class Zygote:
    """`channel` is a SOCK_SEQPACKET socket to the runner; its end is the zygote's end, and so that of all its jobs."""

    def __init__(self, channel: socket.socket, ground: Ground) -> None:
        self._channel = channel
        self._ground = ground
        self._jobs: dict[int, Running] = {}
        self._ended: dict[int, Ending] = {}
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if ground.pids else -1

    def serve(self) -> None:
        wake, wakened = os.pipe()
        for handle in (wake, wakened):
            os.set_blocking(handle, False)
        signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == wake:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wake, 4096)
                        self._reap()
                    elif not self._receive():
                        return

    def _receive(self) -> bool:
        packet, handles, _, _ = socket.recv_fds(self._channel, MAX_PACKET, 1)
        if not packet:
            return False
        told = json.loads(packet)
        if "run" in told:
            order = Order(**told["run"])
            try:
                self._fork(order, handles[0])
            except OSError as error:
                self._tell(Ending(order.id, job.CANNOT_START, 0, error.errno, f"fork: {error.strerror}"))
            finally:
                for handle in handles:
                    os.close(handle)
        else:
            self._signal(told["kill"], told["signal"])
        return True

    def _fork(self, order: Order, output: int) -> None:
        code = script.compiled(order.argv[0]) if order.warm else None
        if self._ground.rights:
            self._ground.grants_of(order)
        fault, told = os.pipe()
        os.set_blocking(fault, False)
        sleeper = 0
        try:
            if self._ground.pids:
                sleeper = self._new_pids()
            pid = os.fork()
            if not pid:
                job.become(order, self._ground, code, output, told)
        except OSError:
            os.close(fault)
            if sleeper:
                os.kill(sleeper, signal.SIGKILL)
            raise
        finally:
            os.close(told)
            if self._ground.pids:
                setns(self._own_pids, CLONE_NEWPID)
        self._jobs[pid] = Running(order.id, fault, sleeper)

    @staticmethod
    def _new_pids() -> int:
        """A PID namespace for the next child, with a process 1 that is no part of the job: that one could not even be signalled
        by itself. Its pid here; its death is the death of all in the namespace."""
        unshare(CLONE_NEWPID)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            return clone_sleeper(0)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _signal(self, order_id: int, number: int) -> None:
        for pid, running in self._jobs.items():
            if running.order == order_id:
                with contextlib.suppress(OSError):
                    os.killpg(pid, number)
                if number == signal.SIGKILL:  # also before it has made its group, and those that have left it
                    with contextlib.suppress(OSError):
                        os.kill(running.sleeper or pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if running := self._jobs.pop(pid, None):
                ending = _ending(running, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime)
                if running.sleeper:
                    self._ended[running.sleeper] = ending
                    os.kill(running.sleeper, signal.SIGKILL)
                else:
                    job.end_children(spared=frozenset(self._jobs))
                    self._tell(ending)
            elif told := self._ended.pop(pid, None):
                self._tell(told)

    def _tell(self, ending: Ending) -> None:
        self._channel.send(json.dumps(asdict(ending)).encode())


def _ending(running: Running, status: int, cpu: float) -> Ending:
    try:
        said = os.read(running.fault, 4096).decode(errors="replace")
    except BlockingIOError:
        said = ""
    finally:
        os.close(running.fault)
    first, _, _ = said.partition("\n")
    kind, text = first[:1], first[1:]
    if kind == "S":
        return Ending(running.order, int(text), cpu)
    if kind == "E":
        return Ending(running.order, status, cpu, errno=int(text))
    if kind == "X":
        return Ending(running.order, status, cpu, text=text)
    return Ending(running.order, status, cpu)


def _preload(names: list[str]) -> None:
    """What an environment does not have, its programs do not import either."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _look(ground: Ground, *, root: bool) -> None:
    """Finds out in a child what only a child can find out."""
    heard, said = os.pipe()
    if ground.pids:
        unshare(CLONE_NEWPID)
    pid = os.fork()
    if not pid:
        try:
            os.write(said, json.dumps(probe(ground)).encode())
        finally:
            os._exit(0)
    os.close(said)
    if ground.pids:
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        setns(own, CLONE_NEWPID)
        os.close(own)
    with open(heard, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    ground.learn(json.loads(answer), root=root)


def _greet(channel: socket.socket, ground: Ground, proxy: socket.socket | None) -> None:
    prefixes = sorted({os.path.realpath(p) for p in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)})
    prefixes = sorted({*prefixes, sys.prefix})
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    greeting = Greeting(os.getpid(), ground.missing, prefixes, version, proxy is not None)
    handles = [] if proxy is None else [proxy.fileno()]
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handles))] if handles else []
    channel.sendmsg([json.dumps(asdict(greeting)).encode()], ancillary)
    if proxy is not None:
        proxy.close()


def _descend(ground_missing: dict[str, str]) -> None:
    """Into the PID namespace, where this program goes on as process 1. The one outside waits for it; it dies with the runner."""
    if {"namespaces", "pid namespace"} & ground_missing.keys():
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        return
    inside = os.fork()
    if inside:
        for handle in range(3, 256):
            with contextlib.suppress(OSError):
                os.close(handle)
        _, status = os.waitpid(inside, 0)
        os._exit(BROKEN if status else 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _out_of_the_way(channel: socket.socket) -> socket.socket:
    """Keeps the number that a job uses for its own pipe from being anything's here."""
    moved = socket.socket(fileno=fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, job.FAULT + 1))
    channel.close()
    nothing = os.open("/dev/null", os.O_RDWR)
    if nothing != job.FAULT:
        os.dup2(nothing, job.FAULT, inheritable=False)
        os.close(nothing)
    return moved


def main(channel: socket.socket, options: dict[str, Any]) -> None:
    """`options`: runner (its pid), direct (keep the machine's network), port (of the
    way out), preload (module names)."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != options["runner"]:
        return
    os.nice(NICENESS)
    channel = _out_of_the_way(channel)
    root = os.getuid() == 0
    missing = namespaces.enter(own_network=not options["direct"])
    _descend(missing)
    if not {"namespaces", "mount namespace"} & missing.keys():
        namespaces.own_mounts()
    bound_capabilities()
    proxy = None
    if not options["direct"] and not {"namespaces", "network namespace"} & missing.keys():
        try:
            proxy = namespaces.listener(options["port"])
        except OSError as error:
            missing["network namespace"] = f"its loopback: {error.strerror}"
    ground = Ground.look(missing)
    _look(ground, root=root)
    _preload(options["preload"])
    script.know_own_modules()
    gc.collect()
    gc.freeze()
    prctl(PR_SET_DUMPABLE, 0)  # nobody may look into this memory, which the processes 1 of the jobs share
    _greet(channel, ground, proxy)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        Zygote(channel, ground).serve()
