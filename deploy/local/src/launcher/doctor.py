"""`waggle doctor`: what runs, how much memory it takes, and what this machine has or lacks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from launcher.settings import LauncherError

PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def descendants(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [d for child in task.read_text().split() for d in descendants(int(child))]
        except OSError:
            continue
    return found


def pss_kib(pid: int) -> int:
    """Proportional set size of one process: shared pages are counted by the share it has in them."""
    try:
        found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def memory(home: Path) -> dict[str, float]:
    """MiB of PSS by part of the running platform, children included."""
    try:
        ready = json.loads((home / "ready.json").read_text())
    except FileNotFoundError:
        raise LauncherError(f"nothing runs in {home}: start it with `make run`, or set WAGGLE_HOME") from None
    parts = {name: entry["pids"] for name, entry in ready.items() if isinstance(entry, dict)}
    found = {name: sum(pss_kib(p) for pid in pids for p in descendants(pid)) / 1024 for name, pids in parts.items()}
    return {**found, "launcher": pss_kib(ready["launcher"]) / 1024}


def report(home: Path) -> str:
    found = memory(home)
    lines = [f"  {name:<16}{mib:8.1f} MiB" for name, mib in found.items()]
    return "\n".join(["memory (PSS):", *lines, f"  {'total':<16}{sum(found.values()):8.1f} MiB"])
