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
KEPT = 64
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
OWN_PROC = ("cpuinfo", "meminfo", "stat", "filesystems", "version", "loadavg", "uptime", "sys")
"""What of /proc is shown where there is no /proc of the job's own."""
DEVICE_RIGHTS = landlock.READ | landlock.WRITE_FILE | landlock.IOCTL_DEV | landlock.TRUNCATE
MACHINE_FACTS = ("/sys/devices/system", "/sys/fs/cgroup", "/run/systemd/resolve")


@dataclass
class Ground:
    """What the machine and the zygote's own start allow, found out once."""

    missing: dict[str, str] = field(default_factory=dict)
    rights: int = 0
    """Landlock's version, 0 = there is none."""
    filters: dict[bool, bytes] = field(default_factory=dict)
    pids: bool = False
    mounts: bool = False
    own_proc: bool = False
    pid_max: bool = False
    shared_memory: bool = field(default_factory=lambda: os.path.isdir("/dev/shm"))
    system: landlock.Grants = field(default_factory=lambda: landlock.Grants((), 0))
    known: dict[tuple[str, ...], landlock.Grants] = field(default_factory=dict)

    @classmethod
    def look(cls, missing: dict[str, str]) -> Ground:
        """`missing`: what `namespaces.enter` could not have."""
        ground = cls(dict(missing), landlock.version())
        ground.pids = not {"namespaces", "pid namespace"} & missing.keys()
        ground.mounts = not {"namespaces", "mount namespace"} & missing.keys()
        if not ground.rights:
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
        if self.rights:
            self.system = _system_grants(self)

    def grants_of(self, order: Order) -> landlock.Grants:
        """What the order's program reads, opened once for all jobs that read the same; to be called before the fork too."""
        key = tuple(order.readable)
        if key not in self.known:
            if len(self.known) >= KEPT:
                self.known.pop(next(iter(self.known))).close()
            self.known[key] = landlock.Grants([(path, landlock.RUN) for path in key], self.rights)
        return self.known[key]

    def writable(self, order: Order) -> list[str]:
        """Beside the job's folder."""
        own_tmp = self.mounts and not _below_tmp(order)
        return [*(["/dev/shm"] if self.mounts and self.shared_memory else []), *(["/tmp"] if own_tmp else [])]


def _below_tmp(order: Order) -> bool:
    """Whether something the job needs would vanish under a /tmp of its own."""
    return any(path.startswith("/tmp/") for path in (order.folder, order.cwd, *order.readable))


def _own_mounts(order: Order, ground: Ground) -> None:
    """/proc, /dev/shm and, where nothing of the job's lies below it, /tmp of its own."""
    unshare(CLONE_NEWNS | CLONE_NEWIPC)
    if ground.own_proc:
        namespaces.fresh_proc()
    if ground.shared_memory:
        mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, SHARED_MEMORY)
    if not _below_tmp(order):
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


def _system_grants(ground: Ground) -> landlock.Grants:
    """What every job may do beside its own folder."""
    wanted = [(path, landlock.RUN) for path in SYSTEM]
    wanted += [(f"/etc/{name}", landlock.READ) for name in CONFIGURATION]
    wanted += [(path, landlock.READ) for path in MACHINE_FACTS]
    wanted += [(f"/dev/{name}", DEVICE_RIGHTS) for name in DEVICES]
    if not ground.own_proc:
        wanted += [(f"/proc/{name}", landlock.READ) for name in OWN_PROC]
    return landlock.Grants(wanted, ground.rights)


def _own_grants(order: Order, ground: Ground) -> landlock.Grants:
    wanted = [(path, landlock.everything(ground.rights)) for path in (order.folder, *ground.writable(order))]
    wanted += [("/proc", landlock.READ)] if ground.own_proc else [("/proc/self", landlock.READ)]
    return landlock.Grants(wanted, ground.rights)


def confine(order: Order, ground: Ground) -> None:
    """All layers that the ground bears. Raises OSError for one that it should bear and does not."""
    if ground.mounts:
        _own_mounts(order, ground)
        if ground.pid_max and order.processes:
            namespaces.limit_processes(max(order.processes, namespaces.LEAST_PROCESSES))
    rules = None
    if ground.rights:
        rules = landlock.Ruleset(ground.rights, ports=None if order.network == DIRECT else order.ports)
        rules.allow(ground.grants_of(order))
        rules.allow(ground.system)
        rules.allow(_own_grants(order, ground))
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
