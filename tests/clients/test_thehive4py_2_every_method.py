"""thehive4py 2.1.0, unmodified: every public method of the client, found by introspection, so that a new one needs a case."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from started import started

REPOSITORY = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "every_method_v2.py"
# A room still being built: archives of cases.
NOT_YET = {"archives"}


@pytest.mark.timeout(300)
def test_every_method_of_the_client_works(tmp_path: Path) -> None:
    python = REPOSITORY / ".venvs" / "client-thehive4py-2" / "bin" / "python"
    if not python.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{python} is missing: run `make setup-dev`")
        pytest.skip(f"{python} is missing: run `make setup-dev`")
    with started(tmp_path / "home", "hive", HIVE_ADMIN_PASSWORD="secret") as running:
        command = [str(python), str(SCRIPT), running.url("hive"), "admin@thehive.local", "secret"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failed"].keys() <= NOT_YET, "\n".join(found["failed"].values())
    assert found["missing"] == []
