"""Puts this process, which is about to become a job, into its sandbox. Each step needs what a later one takes away."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass, field
from pathlib import Path

from . import landlock, namespaces, seccomp
from .linux import CLONE_NEWIPC, CLONE_NEWNS, MS_BIND, MS_NODEV, MS_NOSUID, drop_capabilities, mount, unshare
from .order import DIRECT, Order

OPEN_FILES = 1024
MAX_FILE = 2 * 1024**3
SHARED_MEMORY = "size=256m,mode=1777"

OWN_PROC_LAYER, PID_MAX = "own /proc", "pid_max"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Programs and libraries of the machine."""
CONFIGURATION = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "fonts", "gai.conf", "group", "host.conf",
    "hostname", "hosts", "java", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "locale.alias", "magic",
    "mime.types", "nsswitch.conf", "os-release", "passwd", "pki", "protocols", "resolv.conf", "services", "ssl", "timezone",
)  # fmt: skip
"""What of /etc programs read; nothing of it is secret."""
DEVICES = ("null", "zero", "full", "random", "urandom")
OWN_PROC = ("self", "cpuinfo", "meminfo", "stat", "filesystems", "version", "loadavg", "uptime", "sys")
"""What of /proc is shown where there is no /proc of the job's own."""
MACHINE_FACTS = ("/sys/devices/system", "/sys/fs/cgroup", "/run/systemd/resolve")


@dataclass
class Ground:
    """What the machine and the zygote's own start allow, found out once."""

    missing: dict[str, str] = field(default_factory=dict)
    landlock: int = 0
    filters: dict[bool, bytes] = field(default_factory=dict)
    pids: bool = False
    mounts: bool = False
    own_proc: bool = False
    pid_max: bool = False

    @classmethod
    def look(cls, missing: dict[str, str]) -> Ground:
        """`missing`: what `namespaces.enter` could not have."""
        ground = cls(dict(missing), landlock.version())
        ground.pids = not {"namespaces", "pid namespace"} & missing.keys()
        ground.mounts = not {"namespaces", "mount namespace"} & missing.keys()
        if not ground.landlock:
            ground.missing["landlock"] = "this kernel has no Landlock, or it is switched off"
        try:
            ground.filters = {datagrams: seccomp.program(datagrams=datagrams) for datagrams in (False, True)}
        except seccomp.Unsupported as error:
            ground.missing["seccomp"] = str(error)
        return ground

    def learn(self, failed: dict[str, str], *, root: bool) -> None:
        """Takes in what `probe` has found. RLIMIT_NPROC does not bind root."""
        self.own_proc, self.pid_max = OWN_PROC_LAYER not in failed, PID_MAX not in failed
        if not self.own_proc:
            self.missing[OWN_PROC_LAYER] = failed[OWN_PROC_LAYER]
        if root and not self.pid_max:
            self.missing["process limit"] = f"the runner is root, and kernel.pid_max of a namespace: {failed[PID_MAX]}"


def _own_mounts(order: Order, ground: Ground) -> None:
    """/proc, /dev/shm and, where nothing of the job's lies below it, /tmp of its own."""
    unshare(CLONE_NEWNS | CLONE_NEWIPC)
    if ground.own_proc:
        namespaces.fresh_proc()
    if os.path.isdir("/dev/shm"):
        mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, SHARED_MEMORY)
    if not any(path.startswith("/tmp/") for path in (order.folder, order.cwd, *order.readable)):
        own = Path(order.folder) / "tmp"
        own.mkdir(mode=0o700, exist_ok=True)
        mount(str(own), "/tmp", None, MS_BIND)


def _limits(order: Order) -> None:
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: order.file_size or MAX_FILE, resource.RLIMIT_NOFILE: OPEN_FILES}
    if order.processes:
        limits[resource.RLIMIT_NPROC] = order.processes
    if order.memory:
        limits[resource.RLIMIT_AS] = order.memory
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _files(order: Order, ground: Ground) -> landlock.Ruleset:
    rules = landlock.Ruleset(ground.landlock, ports=None if order.network == DIRECT else order.ports)
    for path in (*SYSTEM, *order.readable):
        rules.allow(path, landlock.RUN)
    for name in CONFIGURATION:
        rules.allow(f"/etc/{name}", landlock.READ)
    for path in MACHINE_FACTS:
        rules.allow(path, landlock.READ)
    for name in DEVICES:
        rules.allow(f"/dev/{name}", landlock.READ | landlock.WRITE_FILE | landlock.IOCTL_DEV | landlock.TRUNCATE)
    for path in ["/proc"] if ground.own_proc else [f"/proc/{name}" for name in OWN_PROC]:
        rules.allow(path, landlock.READ)
    writable = [order.folder, *(["/dev/shm"] if ground.mounts else []), *(["/tmp"] if _has_own_tmp(order, ground) else [])]
    for path in writable:
        rules.allow(path, rules.everything)
    return rules


def _has_own_tmp(order: Order, ground: Ground) -> bool:
    return ground.mounts and os.path.isdir(os.path.join(order.folder, "tmp"))


def confine(order: Order, ground: Ground) -> None:
    """All layers that the ground bears. Raises OSError for one that it should bear and does not."""
    if ground.mounts:
        _own_mounts(order, ground)
        if ground.pid_max and order.processes:
            namespaces.limit_processes(max(order.processes, namespaces.LEAST_PROCESSES))
    rules = _files(order, ground) if ground.landlock else None
    if "namespaces" not in ground.missing:
        drop_capabilities()
    _limits(order)
    if rules is not None:
        rules.enforce()
    if ground.filters:
        seccomp.enforce(ground.filters[order.network == DIRECT])


def probe(ground: Ground) -> dict[str, str]:
    """Tries what a job's process will do; returns what failed: {layer: reason}. Changes the calling process: fork first."""
    if not (ground.mounts and ground.pids):
        return {OWN_PROC_LAYER: "it needs mount and PID namespaces", PID_MAX: "it needs a /proc of its own"}
    try:
        unshare(CLONE_NEWNS | CLONE_NEWIPC)
        namespaces.fresh_proc()
    except OSError as error:
        return {OWN_PROC_LAYER: error.strerror or str(error), PID_MAX: "it needs a /proc of its own"}
    try:
        namespaces.limit_processes(namespaces.LEAST_PROCESSES)
    except OSError as error:
        return {PID_MAX: error.strerror or str(error)}
    return {}
