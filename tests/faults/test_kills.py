"""`kill -9` of any one process during 500 running requests loses nothing and doubles nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from kills import Books
from started import started

ROUNDS = 10
SOAK_ROUNDS = 200
BUSES = ["postgres", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]


async def play(bus: str, home: Path, rounds: int) -> None:
    first = int(os.environ.get("WAGGLE_SEED") or time.time())
    environment = {"CORTEX_LEASE_SECONDS": "3", **({"BUS": "rabbitmq"} if bus == "rabbitmq" else {})}
    with started(home, **environment) as platform:
        books = Books(platform)
        await books.prepare()
        for seed in range(first, first + rounds):
            round_ = await books.play(seed)
            print(f"seed {seed}: killed {round_.killed}; {len(round_.created)} alerts, {len(round_.jobs)} analyses")
            await books.check(round_)
        await books.check_queues()
        await books.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("bus", BUSES)
async def test_ten_kills(bus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if bus == "rabbitmq":
        request.getfixturevalue("rabbitmq_programs")
    await play(bus, tmp_path / "home", ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("bus", BUSES)
async def test_two_hundred_kills(bus: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if bus == "rabbitmq":
        request.getfixturevalue("rabbitmq_programs")
    await play(bus, tmp_path / "home", SOAK_ROUNDS)
