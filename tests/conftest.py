"""Fixtures for what no single service can test: a whole platform, a browser, a broker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from started import Started, started

from launcher import chromium as browser
from launcher import rabbitmq


def absent(what: str, reason: Exception) -> None:
    """Loud where a person runs the tests, a failure where nobody reads along."""
    if os.environ.get("CI"):
        raise reason
    pytest.skip(f"NO {what}, ITS TESTS DO NOT RUN: {reason}")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The whole platform on its embedded bus, shared by a module's tests."""
    with started(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="session")
def rabbitmq_programs() -> rabbitmq.Programs | None:
    """RabbitMQ can be had: on this machine, or fetched now."""
    try:
        return rabbitmq.find() or rabbitmq.fetch()
    except rabbitmq.RabbitError as error:
        absent("RABBITMQ", error)
        return None


@pytest.fixture(scope="session")
def chromium() -> dict[str, Any]:
    """What Playwright needs to start a Chromium."""
    try:
        return browser.launch_options()
    except browser.ChromiumMissing as error:
        absent("CHROMIUM", error)
        return {}
