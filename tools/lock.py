"""Writes the hash-pinned locks under requirements/: `make lock`.

One lock per environment: the services, development (a superset of the services), the analyzers, and each outside client.
No index lines and no registry host are recorded; every package must exist as a wheel for Python 3.11 to 3.13,
but for those that `launcher.bootstrap.FROM_SOURCE` names for an outside client.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from launcher.bootstrap import CLIENTS, wheels_for

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"


def workspace_dependencies() -> list[str]:
    """The outside dependencies named by the workspace's packages."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    found: set[str] = set()
    for member in workspace:
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
        found.update(d for d in project["dependencies"] if not d.startswith("waggle-"))
    return sorted(found)


def compile_lock(source: Path, extra: list[str]) -> None:
    target = source.with_suffix(".txt")
    with tempfile.NamedTemporaryFile("w", suffix=".in", dir=REQUIREMENTS) as merged:
        merged.write(source.read_text() + "\n" + "\n".join(extra) + "\n")
        merged.flush()
        command = [
            "uv", "pip", "compile", merged.name, "--universal", "--python-version", "3.11", "--generate-hashes",
            *wheels_for(source.stem), "--no-emit-index-url", "--no-annotate", "--no-header", "--quiet",
            "-o", str(target),
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT)
    print(f"{target.relative_to(ROOT)}: {sum('==' in line for line in target.read_text().splitlines())} packages")


def main() -> None:
    wanted = sys.argv[1:]
    order = ["uv", "services", "dev", "analyzers", "web", *(f"client-{name}" for name in CLIENTS)]
    for name in order:
        if not wanted or name in wanted:
            compile_lock(REQUIREMENTS / f"{name}.in", workspace_dependencies() if name == "services" else [])


if __name__ == "__main__":
    main()
