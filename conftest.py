"""Fixtures that every package's tests may use."""

from __future__ import annotations

import os

import pytest

from launcher import libmagic
from launcher.debian import DebianError

pytest_plugins = ["waggle.testing"]


@pytest.fixture(scope="session", autouse=True)
def _libmagic() -> None:
    """The outside clients' processes find libmagic also where the machine has none; their tests say so where it cannot be had."""
    try:
        os.environ.update(libmagic.environment())
    except DebianError as error:
        print(f"libmagic cannot be had here: apt-get install libmagic1 ({error})")  # noqa: T201
