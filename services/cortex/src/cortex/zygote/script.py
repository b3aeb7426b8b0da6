"""Runs a Python script in this process as `python script.py` would in a new one."""

from __future__ import annotations

import atexit
import importlib.machinery
import io
import os
import sys
import threading
import types
from typing import Any

MAX_SOURCE = 1 << 20
KEPT = 256
_compiled: dict[str, tuple[tuple[int, int, int], types.CodeType]] = {}
_own_modules: list[str] = []


def know_own_modules() -> None:
    """Notes what of the loaded modules is the zygote's. Before the forks: to look through them all in a fork would copy the pages
    that they lie on."""
    _own_modules[:] = [name for name in sys.modules if name.partition(".")[0] == "cortex_zygote"]


def compiled(path: str) -> types.CodeType | None:
    """The script's code, kept as long as the file does not change. None where it cannot be had: the job itself will say why."""
    try:
        found = os.stat(path)
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = _compiled.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        if found.st_size > MAX_SOURCE:
            return None
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if len(_compiled) >= KEPT:
        _compiled.clear()
    _compiled[path] = (stamp, code)
    return code


def _fresh_streams() -> None:
    """What was opened before the fork had another end."""
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")  # noqa: SIM115
    out = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115
    error = io.TextIOWrapper(open(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True)  # noqa: SIM115
    sys.stdout, sys.stderr = out, error
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def _status_of(code: Any) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def run(argv: list[str], code: types.CodeType | None) -> int:
    """The exit status. `argv[0]` is the script; `code` what `compiled` made of it."""
    path = argv[0]
    _fresh_streams()
    sys.argv = argv
    sys.path.insert(0, os.path.dirname(path))
    main = types.ModuleType("__main__")
    main.__file__, main.__builtins__ = path, __builtins__  # type: ignore[attr-defined]
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    for name in _own_modules:
        sys.modules.pop(name, None)
    sys.modules["__main__"] = main
    try:
        if code is None:
            with open(path, "rb") as file:
                code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - what this process is for
        status = 0
    except SystemExit as leaving:
        status = _status_of(leaving.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does at its end
    atexit._run_exitfuncs()
    _flush()
    return status
