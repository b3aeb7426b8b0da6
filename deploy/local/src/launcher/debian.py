"""Debian packages unpacked into a folder of ours: nothing is installed and the system is not touched.

The tests' RabbitMQ and Chromium come this way where the machine has none. Packages are resolved with the machine's own apt
(its sources, keys and proxies), downloaded by `apt-get download` and unpacked by `dpkg-deb -x`; neither needs root. What the
machine already has, with its files in place, is not downloaded again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

# What every Debian has. Unpacking a second C library beside the machine's own would break every program that meets both.
BASE = frozenset(
    [
        "adduser",
        "base-files",
        "bash",
        "coreutils",
        "debconf",
        "dpkg",
        "init-system-helpers",
        "libc6",
        "libcrypt1",
        "libgcc-s1",
        "logrotate",
        "lsb-base",
        "passwd",
        "perl",
        "perl-base",
        "procps",
        "python3",
        "sysvinit-utils",
        "tzdata",
        "ucf",
    ]
)
MISSING_APT = "apt-get and dpkg-deb are needed to fetch Debian packages: this is no Debian or Ubuntu"
DOWNLOAD_SECONDS = 600


class DebianError(Exception):
    """Packages cannot be had here; the text is one line for the operator."""


def fetch_debian(packages: Sequence[str], into: Path, finish: Callable[[Path], None] | None = None) -> Path:
    """Downloads and unpacks `packages` and what they need below `into`; returns the root of the unpacked tree.

    A finished tree of the same packages is used again; of several processes that ask at once, one fetches and the others wait.
    `finish` is called once with the root, before the tree counts as finished. Raises DebianError where apt is missing or the
    registry unreachable.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with into.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _fetch(packages, into, finish)


def _fetch(packages: Sequence[str], into: Path, finish: Callable[[Path], None] | None) -> Path:
    root, stamp = into / "root", into / "complete"
    wanted = " ".join(sorted(packages))
    if stamp.exists() and stamp.read_text() == wanted:
        return root
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DebianError(MISSING_APT)
    shutil.rmtree(into, ignore_errors=True)
    root.mkdir(parents=True)
    apt = Apt(into.parent / "apt")
    downloads = into / "downloads"
    downloads.mkdir()
    for archive in apt.download(apt.closure(packages), downloads):
        _run(["dpkg-deb", "-x", str(archive), str(root)], f"unpacking {archive.name}")
    shutil.rmtree(downloads)
    if finish:
        finish(root)
    stamp.write_text(wanted)
    return root


def library_folders(root: Path) -> list[Path]:
    """The folders of an unpacked tree that `LD_LIBRARY_PATH` needs."""
    found = [folder for base in ("lib", "usr/lib") for folder in sorted((root / base).glob("*-linux-gnu*"))]
    return [folder for folder in found if folder.is_dir()]


class Apt:
    """The machine's apt, with its lists when it has any, else with private ones below `state`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        if not self._knows("dpkg"):
            self._use_private_lists()

    def closure(self, packages: Sequence[str]) -> list[str]:
        """`packages` and everything they depend on that this machine lacks."""
        chosen: dict[str, None] = {}
        waiting = list(packages)
        while waiting:
            described = self._describe(waiting)
            waiting = []
            for name, depends in described.items():
                chosen.setdefault(name)
                for alternatives in depends:
                    choice = self._choose(alternatives, chosen)
                    if choice and choice not in chosen and choice not in waiting:
                        waiting.append(choice)
        return list(chosen)

    def download(self, packages: Sequence[str], folder: Path) -> list[Path]:
        self._apt(["apt-get", "-q", "download", *packages], f"downloading {len(packages)} Debian packages", folder)
        return sorted(folder.glob("*.deb"))

    def _choose(self, alternatives: Sequence[str], chosen: Iterable[str]) -> str | None:
        """The package to fetch for one dependency; None where it is met."""
        if any(name in BASE or name in chosen or _is_here(name) for name in alternatives):
            return None
        for name in alternatives:
            if self._knows(name):
                return name
        for name in alternatives:
            providers = self._providers(name)
            if any(p in BASE or p in chosen or _is_here(p) for p in providers):
                return None
            if providers:
                return providers[0]
        raise DebianError(f"no Debian package found for {' | '.join(alternatives)}: run `apt-get update`")

    def _describe(self, names: Sequence[str]) -> dict[str, list[list[str]]]:
        """Each package's dependencies: a list of alternatives per dependency."""
        text = self._apt(["apt-cache", "show", "--no-all-versions", *names], f"looking up {' '.join(names)}")
        described: dict[str, list[list[str]]] = {}
        for paragraph in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
            if "Package" in fields:
                described[fields["Package"]] = [
                    [re.split(r"[\s(:]", word.strip())[0] for word in dependency.split("|")]
                    for name in ("Pre-Depends", "Depends")
                    for dependency in fields.get(name, "").split(",")
                    if dependency.strip()
                ]
        absent = set(names) - set(described)
        if absent:
            raise DebianError(f"Debian packages not found: {' '.join(sorted(absent))}")
        return described

    def _providers(self, virtual: str) -> list[str]:
        done = subprocess.run(["apt-cache", *self._options, "showpkg", virtual], capture_output=True, text=True, check=False)
        _, _, listed = done.stdout.partition("Reverse Provides:")
        return [line.split()[0] for line in listed.splitlines() if line.strip()]

    def _knows(self, name: str) -> bool:
        """Whether the lists have a version to download (the installed one alone does not count)."""
        command = ["apt-cache", *self._options, "madison", name]
        return bool(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip())

    def _use_private_lists(self) -> None:
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        self._options += ["-o", f"Dir::State={self._state / 'state'}", "-o", f"Dir::Cache={self._state / 'cache'}"]
        self._options += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        self._apt(["apt-get", "-q", "update"], "fetching Debian's package lists")

    def _apt(self, command: Sequence[str], what: str, folder: Path | None = None) -> str:
        return _run([command[0], *self._options, *command[1:]], what, folder)


def _is_here(name: str) -> bool:
    """Whether the package is installed *and* its files are in place (a container may hide them)."""
    status = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name], capture_output=True, text=True, check=False)
    if status.stdout.strip() not in ("installed", "installedinstalled"):  # twice: two architectures
        return False
    listed = subprocess.run(["dpkg-query", "-L", name], capture_output=True, text=True, check=False).stdout.splitlines()
    programs = [Path(path) for path in listed if re.search(r"/s?bin/|\.so\b|/erlang/|/lib/", path)]
    return all(path.exists() or path.is_symlink() for path in programs)


def _run(command: Sequence[str], what: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise DebianError(f"{what} took longer than {DOWNLOAD_SECONDS} s: is the Debian mirror reachable?") from None
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise DebianError(f"{what} failed: {reason[-1] if reason else f'status {done.returncode}'}")
    return done.stdout
