"""The story of `make demo`, on both buses, by the command a person types."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from started import WAGGLE, free_ports

STEPS = 10


def play(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **free_ports(), "WAGGLE_HOME": str(home), "DEMO_EXIT": "1", **environment}
    return subprocess.run([WAGGLE, "demo"], env=env, capture_output=True, text=True, timeout=280, stdin=subprocess.DEVNULL)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bus", ["postgres", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def test_every_step_comes_out_as_it_should(bus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if bus == "rabbitmq":
        request.getfixturevalue("rabbitmq_programs")
    done = play(tmp_path / "home", **({"BUS": "rabbitmq"} if bus == "rabbitmq" else {}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {STEPS} steps came out as they should." in done.stdout
    assert ("the bus on RabbitMQ" if bus == "rabbitmq" else "the bus on PostgreSQL") in done.stdout
    assert "MISMATCH" not in done.stdout
