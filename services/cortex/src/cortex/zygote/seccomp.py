"""Which system calls a job may not make: a classic BPF program, assembled here (linux/seccomp.h, linux/filter.h).

An allow-list would break published analyzers with every new libc. This one refuses what no analyzer needs and what has led
out of containers: other processes' memory, mounts, namespaces, keys, modules, io_uring, BPF, and sockets that are not TCP.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from dataclasses import dataclass

from .linux import MACHINE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, prctl

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
MODE_FILTER = 2
X32 = 0x40000000
AF_INET, AF_INET6 = 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_TYPE_MASK = 1, 2, 0xF
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag, CLONE_NEWTIME included
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# names → numbers on x86-64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h); None: the machine has no such call
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None), "personality": (135, 92),
    "sethostname": (170, 161), "setdomainname": (171, 162),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "mbind": (237, 235), "set_mempolicy": (238, 237), "memfd_secret": (447, 447), "listmount": (458, 458),
}  # fmt: skip
CLONE3 = (435, 435)
CLONE = (56, 220)
SOCKET = (41, 198)
IOCTL = (16, 29)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


@dataclass(frozen=True)
class Unsupported(Exception):
    machine: str

    def __str__(self) -> str:
        return f"no table of system calls for {self.machine}"


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int = errno.EPERM) -> bytes:
    return _op(RETURN, ERRNO | number)


def program(*, datagrams: bool) -> bytes:
    """The filter for this machine. `datagrams`: UDP is allowed too, for jobs that resolve names themselves."""
    if MACHINE not in MACHINES:
        raise Unsupported(MACHINE)
    column, architecture = MACHINES[MACHINE]
    ops = [_op(LOAD, ARCHITECTURE), _op(JUMP_EQUAL, architecture, 1, 0), _op(RETURN, KILL), _op(LOAD, NUMBER)]
    if column == 0:
        ops += [_op(JUMP_GREATER_EQUAL, X32, 0, 1), _op(RETURN, KILL)]
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            ops += [_op(JUMP_EQUAL, number, 0, 1), _refuse()]
    # glibc falls back to clone, whose flags a filter can see
    ops += [_op(JUMP_EQUAL, CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]
    clone = [_op(LOAD, ARGUMENTS), _op(JUMP_SET, NEW_NAMESPACES, 0, 1), _refuse(), _op(RETURN, ALLOW)]
    ops += [_op(JUMP_EQUAL, CLONE[column], 0, len(clone)), *clone]
    types = [SOCK_STREAM, *([SOCK_DGRAM] if datagrams else [])]
    socket = [
        _op(LOAD, ARGUMENTS),
        _op(JUMP_EQUAL, AF_INET, 2, 0),
        _op(JUMP_EQUAL, AF_INET6, 1, 0),
        _refuse(errno.EACCES),
        _op(LOAD, ARGUMENTS + 8),
        _op(AND, SOCK_TYPE_MASK),
    ]
    for kind in types:
        socket += [_op(JUMP_EQUAL, kind, 0, 1), _op(RETURN, ALLOW)]
    socket.append(_refuse(errno.EACCES))
    ops += [_op(JUMP_EQUAL, SOCKET[column], 0, len(socket)), *socket]
    ioctl = [_op(LOAD, ARGUMENTS + 8), _op(JUMP_EQUAL, TIOCSTI, 1, 0), _op(JUMP_EQUAL, TIOCLINUX, 0, 1), _refuse()]
    ops += [_op(JUMP_EQUAL, IOCTL[column], 0, len(ioctl)), *ioctl, _op(RETURN, ALLOW)]
    return b"".join(ops)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def enforce(code: bytes) -> None:
    """For this process and all it starts."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    given = _Program(len(code) // 8, code)
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(given))
