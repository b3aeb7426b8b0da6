"""cortex4py 2.1.0, unmodified: every public method, found by introspection, so that a new one needs a case."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from outside import program

SCRIPT = Path(__file__).with_name("every_method_cortex4py.py")
pytestmark = pytest.mark.xdist_group("cortex-clients")


@pytest.mark.usefixtures("libmagic")
def test_every_method_of_the_client_works(lab: Any) -> None:
    command = [program("cortex4py", "python"), str(SCRIPT), lab.url, lab.key, lab.root_key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failed"] == {}, "\n".join(found["failed"].values())
    assert found["missing"] == []
