"""Fixtures that every package's tests may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

import launcher.libmagic
from launcher.debian import DebianError

pytest_plugins = ["waggle.testing"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the whole platform first: they wait for processes, and the short ones fill the time beside and after them."""
    whole = Path(__file__).parent / "tests"
    items.sort(key=lambda item: not item.path.is_relative_to(whole))


def pytest_collection_finish() -> None:
    """What the tests have imported stays: the garbage collector need not look through it again after each of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def libmagic() -> None:
    """For tests whose outside client loads libmagic: it is found also where the machine has none; where it cannot be had they
    are skipped, and with CI set they fail."""
    try:
        os.environ.update(launcher.libmagic.environment())
    except DebianError as error:
        message = f"NO LIBMAGIC, ITS TESTS DO NOT RUN: apt-get install libmagic1 ({error})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
