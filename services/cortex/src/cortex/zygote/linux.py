"""The few system calls that Python 3.11 has no words for. Each raises OSError."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from typing import Any

CLONE_VM, CLONE_FILES = 0x100, 0x400
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)
MACHINE = platform.machine()


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: Any) -> int:
    """A raw call; arguments are integers, bytes or ctypes objects."""
    return _checked(int(_libc.syscall(ctypes.c_long(number), *arguments)))


def unshare(flags: int) -> None:
    _checked(_libc.unshare(ctypes.c_int(flags)))


def setns(handle: int, kind: int) -> None:
    _checked(_libc.setns(ctypes.c_int(handle), ctypes.c_int(kind)))


def prctl(option: int, *arguments: int) -> None:
    values = [*arguments, 0, 0, 0, 0][:4]
    _checked(_libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(v) for v in values)))


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    _checked(
        _libc.mount(
            source.encode(),
            target.encode(),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            None if options is None else options.encode(),
        )
    )


_STACK = ctypes.create_string_buffer(64 * 1024)
_STACK_TOP = (ctypes.addressof(_STACK) + len(_STACK)) & ~0xF


def clone_sleeper(flags: int) -> int:
    """A process that shares this one's memory and files and does nothing but sleep until it is killed; its pid.

    It costs next to nothing, having no page tables of its own. It never returns from libc's pause(), because every signal but
    KILL must be blocked when this is called; therefore all sleepers may stand on the same stack.
    """
    sleep = ctypes.cast(_libc.pause, ctypes.c_void_p)
    number = ctypes.c_int(flags | CLONE_VM | CLONE_FILES | signal.SIGCHLD)
    return _checked(_libc.clone(sleep, ctypes.c_void_p(_STACK_TOP), number, None))


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


_CAPABILITIES = ctypes.byref(_CapHeader(0x20080522, 0))
_NONE = ctypes.byref((_CapData * 2)())


def bound_capabilities() -> None:
    """No program started from here on can gain a capability; those that this process has, it keeps."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # unknown to this kernel
            break


def drop_capabilities() -> None:
    """Gives up every capability."""
    _checked(_libc.capset(_CAPABILITIES, _NONE))
