"""Programs of others in environments of their own (`.venvs/client-*`), started as a person would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def program(client: str, name: str) -> str:
    """The path of a command of a client's environment; without it the test is skipped, in CI it fails."""
    found = REPOSITORY / ".venvs" / f"client-{client}" / "bin" / name
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is missing: run `make setup-dev`")
        pytest.skip(f"{found} is missing: run `make setup-dev`")
    return str(found)


def run(client: str, name: str, *arguments: str, folder: Path, seconds: float = 100) -> str:
    """What the command printed, on both its outputs; it must end well."""
    done = subprocess.run(
        [program(client, name), *arguments], cwd=folder, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-5000:]
    return output
