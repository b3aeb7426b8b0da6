"""Chromium for the browser tests: a given one, the system's, or Debian's package unpacked under `.cache/chromium`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from launcher.debian import DebianError, fetch_debian, library_folders

CACHE = Path(__file__).resolve().parents[4] / ".cache" / "chromium"
PACKAGES = ["chromium", "fonts-dejavu-core"]
INSTALL_HINT = "Chromium cannot be had here: apt-get install chromium, or set CHROMIUM to its program"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class ChromiumMissing(Exception):
    """No Chromium can be had; the text says what to install."""


def _system() -> Path | None:
    given = os.environ.get("CHROMIUM")
    if given:
        if not Path(given).is_file():
            raise ChromiumMissing(f"CHROMIUM is {given}, and there is no such file")
        return Path(given)
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def launch_options() -> dict[str, object]:
    """What Playwright's `launch` needs: the program, quiet arguments, and the libraries of an unpacked one."""
    program = _system()
    environment = dict(os.environ)
    if program is None:
        try:
            root = fetch_debian(PACKAGES, CACHE)
        except DebianError as error:
            raise ChromiumMissing(f"{INSTALL_HINT} ({error})") from error
        program = root / "usr/lib/chromium/chromium"
        folders = library_folders(root)
        private = {library.parent for folder in folders for library in folder.glob("*/lib*.so*")}  # as pulseaudio's own
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, [*folders, *sorted(private)]))
        if (root / "etc/fonts").is_dir():
            environment["FONTCONFIG_SYSROOT"] = str(root)
    return {"executable_path": str(program), "args": QUIET, "env": environment}
