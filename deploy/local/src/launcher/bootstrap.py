"""The set-up of a checkout: environments, analyzers' data, pages. Plain `python3` runs it; nothing has to be there before.

    python3 deploy/local/src/launcher/bootstrap.py [--dev]

`--dev` adds what the tests need: the development tools and one environment per outside client. Every step is skipped when
what it is made from has not changed since; an environment is synchronised only when the hash of its lock has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
MEMBERS = ["libs/common", "services/hive", "services/cortex", "services/misp-connector", "deploy/local"]
# Packages of outside clients that exist as sources alone; everything else is a wheel.
FROM_SOURCE = {"client-elastalert": ["envparse", "exotel", "py-zabbix"]}
CLIENTS = [
    "thehive4py-1", "thehive4py-1-5", "thehive4py-2", "thehive4py-suite", "cortex4py", "elastalert", "thehivebackup",
    "misp-modules",
]  # fmt: skip


class SetupError(Exception):
    """Something the machine lacks; the text is the one line the person reads."""


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(command: list[str], what: str, env: dict[str, str] | None = None) -> None:
    """Runs a command quietly; its output is shown only when it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise SetupError(f"{what} failed with status {done.returncode}:\n{done.stdout.strip()[-4000:]}")


def digest(paths: Iterable[Path], *extra: str) -> str:
    total = hashlib.sha256("\0".join([sys.version, str(ROOT), *extra]).encode())
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()


def stamped(folder: Path, stamp: str) -> bool:
    try:
        return (folder / ".waggle-stamp").read_text() == stamp
    except OSError:
        return False


def require_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 (the one file an older Python gets to run)
        raise SetupError(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: install python3.11 and set PYTHON")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise SetupError("python3-venv is missing: apt-get install python3-venv") from None


def make_venv(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)


def uv() -> str:
    """uv from its own hash-checked environment, so that no synchronisation removes it."""
    folder = ROOT / ".cache" / "uv"
    program = folder / "bin" / "uv"
    lock = ROOT / "requirements" / "uv.txt"
    stamp = digest([lock])
    if not (program.exists() and stamped(folder, stamp)):
        say("uv")
        shutil.rmtree(folder, ignore_errors=True)
        venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(
            [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)],
            "installing uv from the Python registry",
        )
        (folder / ".waggle-stamp").write_text(stamp)
    return str(program)


def wheels_for(lock: str) -> list[str]:
    """uv's arguments for wheels alone, but for the packages that have none."""
    named = [part for name in FROM_SOURCE.get(lock, []) for part in ("--no-binary", name)]
    return ["--only-binary", ":all:", *named]


def environment(folder: Path, lock: Path, *, workspace: bool = False) -> None:
    """An environment that holds exactly what `lock` names and, where asked, the workspace's own packages as editable."""
    projects = [ROOT / member / "pyproject.toml" for member in MEMBERS] if workspace else []
    stamp = digest([lock, *projects])
    if stamped(folder, stamp):
        return
    say(f"{folder.relative_to(ROOT)} from {lock.relative_to(ROOT)}")
    program = uv()
    if not (folder / "bin" / "python").exists():
        make_venv(folder)
    python = str(folder / "bin" / "python")
    sync = [program, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python, "--require-hashes"]
    run([*sync, *wheels_for(lock.stem), str(lock)], f"installing {lock.name}")
    if workspace:
        install = [program, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-build-isolation"]
        run(
            [*install, *(part for m in MEMBERS for part in ("-e", str(ROOT / m)))],
            "installing the workspace's packages",
        )
    (folder / ".waggle-stamp").write_text(stamp)


def main_environment(*, dev: bool) -> None:
    """`.venv`. Once it is a development environment it stays one: the development lock holds all of the services' lock."""
    folder = ROOT / ".venv"
    mark = folder / ".waggle-dev"
    dev = dev or mark.exists()
    environment(folder, ROOT / "requirements" / ("dev.txt" if dev else "services.txt"), workspace=True)
    if dev:
        mark.touch()


def warning_lists() -> None:
    """The compiled warning lists of the analyzer of that name."""
    folder = ROOT / "analyzers" / "WarningLists"
    program, target, stamp_file = folder / "compile_lists.py", folder / "warninglists.sqlite", ROOT / ".cache" / "warninglists"
    stamp = digest([program, ROOT / "requirements" / "analyzers.txt"])
    if target.exists() and stamped(stamp_file, stamp):
        return
    say("compiling the warning lists")
    run([str(ROOT / ".venvs" / "analyzers" / "bin" / "python"), str(program), str(target)], "compiling the warning lists")
    stamp_file.mkdir(parents=True, exist_ok=True)
    (stamp_file / ".waggle-stamp").write_text(stamp)


def web_pages() -> None:
    """The built pages. Without them the APIs run all the same, so a failure is said and does not end the set-up, except in CI."""
    import pages  # type: ignore[import-not-found]  # beside this file: the package is not installed yet

    try:
        node = pages.system_node()
        if node is None:
            environment(ROOT / ".venvs" / "web", ROOT / "requirements" / "web.txt")
            node = pages.wheel_node(ROOT / ".venvs" / "web")
        pages.build(ROOT, node, run, say)
    except SetupError as error:
        if os.environ.get("CI"):
            raise
        say(f"the pages are not built, the services run without them; `make web` tries again. {error}")


def setup(*, dev: bool) -> None:
    require_python()
    main_environment(dev=dev)
    environment(ROOT / ".venvs" / "analyzers", ROOT / "requirements" / "analyzers.txt")
    warning_lists()
    environment(ROOT / ".venvs" / "client-thehive4py-2", ROOT / "requirements" / "client-thehive4py-2.txt")
    if dev:
        for name in CLIENTS:
            environment(ROOT / ".venvs" / f"client-{name}", ROOT / "requirements" / f"client-{name}.txt")
    web_pages()


def main() -> int:
    os.environ.pop("VIRTUAL_ENV", None)
    if sysconfig.get_platform().startswith("win"):
        print("setup: Waggle runs on Linux", file=sys.stderr)
        return 1
    try:
        setup(dev="--dev" in sys.argv[1:])
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
