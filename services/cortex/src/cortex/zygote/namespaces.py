"""The namespaces a zygote and its jobs live in.

The zygote makes user, mount, network, IPC and UTS namespaces once and is process 1 of a PID namespace of its own: when it
ends, the kernel ends everything it ever started. Every job gets a PID and a mount namespace besides, in which there is no
other process to see or to signal, and whose end ends all of the job's processes, whatever sessions they have fled into.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

from .linux import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    mount,
    unshare,
)

INNER_ID = 1000
"""The user inside: not 0, so that programs do not take themselves for root, and a program that is executed gains nothing."""
LEAST_PROCESSES = 310
"""The kernel takes no kernel.pid_max below 301."""
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def enter(*, own_network: bool) -> dict[str, str]:
    """Makes the namespaces for this process and, for PIDs, its next child. Returns what could not be had: {layer: reason}."""
    uid, gid = os.getuid(), os.getgid()
    try:
        unshare(CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{INNER_ID} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{INNER_ID} {gid} 1")
    except OSError as error:
        return {"namespaces": f"user namespaces: {error.strerror}"}
    missing: dict[str, str] = {}
    for layer, flags in (
        ("mount namespace", CLONE_NEWNS),
        ("network namespace", CLONE_NEWNET if own_network else 0),
        ("ipc namespace", CLONE_NEWIPC | CLONE_NEWUTS),
        ("pid namespace", CLONE_NEWPID),
    ):
        try:
            unshare(flags)
        except OSError as error:
            missing[layer] = error.strerror or str(error)
    return missing


def listener(port: int) -> socket.socket:
    """A listening socket on the loopback of this network namespace. Whoever holds it answers there: the runner, outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(control, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.bind(("127.0.0.1", port))
    made.listen(128)
    return made


def own_mounts() -> None:
    """Nothing mounted from here on is seen outside."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def fresh_proc() -> None:
    """A /proc that shows the processes of this PID namespace alone."""
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def limit_processes(most: int) -> None:
    """At most so many processes in this PID namespace (Linux 6.14; root is exempt from RLIMIT_NPROC). Needs `fresh_proc`."""
    handle = os.open("/proc/sys/kernel/pid_max", os.O_WRONLY)
    try:
        os.write(handle, b"%d" % most)
    finally:
        os.close(handle)
