"""What files a job may touch and what it may connect to, held by the kernel's Landlock (kernel documentation, userspace-api)."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from .linux import PR_SET_NO_NEW_PRIVS, prctl, syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
ALL_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1, 2


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class _NetPort(ctypes.Structure):
    _fields_ = [("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64)]


def version() -> int:
    """The kernel's Landlock version, 0 where there is none or it is switched off."""
    try:
        return syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    except OSError:
        return 0


class Grants:
    """Rights on paths, opened once and granted to any number of jobs. A path that is not there needs no grant."""

    def __init__(self, wanted: Iterable[tuple[str, int]], found: int) -> None:
        self._rules: list[_PathBeneath] = []
        known = ALL_BY_VERSION[min(found, 5)] if found else 0
        places: dict[tuple[int, int], _PathBeneath] = {}
        for path, rights in wanted:
            try:
                handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            seen = os.fstat(handle)
            if not stat.S_ISDIR(seen.st_mode):
                rights &= ON_FILES
            if rule := places.get((seen.st_dev, seen.st_ino)):
                rule.allowed |= rights & known
                os.close(handle)
            else:
                rule = places[seen.st_dev, seen.st_ino] = _PathBeneath(rights & known, handle)
                self._rules.append(rule)
        self._calls = [ctypes.byref(rule) for rule in self._rules]

    def add_to(self, ruleset: int) -> None:
        for rule in self._calls:
            syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)

    def close(self) -> None:
        for rule in self._rules:
            os.close(rule.parent)


def everything(found: int) -> int:
    """All rights that the kernel knows but that to make devices."""
    return ALL_BY_VERSION[min(found, 5)] & ~(MAKE_CHAR | MAKE_BLOCK)


class Ruleset:
    """What is not granted is refused. `ports` are the TCP ports that may be connected to, None leaves TCP alone."""

    def __init__(self, found: int, *, ports: Iterable[int] | None) -> None:
        nets = 0 if ports is None or found < 4 else BIND_TCP | CONNECT_TCP
        scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS if found >= 6 else 0
        attributes = _Ruleset(ALL_BY_VERSION[min(found, 5)], nets, scopes)
        size = 24 if found >= 6 else 16 if found >= 4 else 8
        self._handle = syscall(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
        for port in (ports or ()) if nets else ():
            syscall(ADD_RULE, self._handle, RULE_NET_PORT, ctypes.byref(_NetPort(CONNECT_TCP, port)), 0)

    def allow(self, grants: Grants) -> None:
        grants.add_to(self._handle)

    def enforce(self) -> None:
        """For this process and all it starts; there is no way back."""
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall(RESTRICT_SELF, self._handle, 0)
        os.close(self._handle)
