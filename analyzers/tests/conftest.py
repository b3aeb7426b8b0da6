"""The fixture that runs an analyzer, for all tests of this folder."""

from running import run_fixture

__all__ = ["run_fixture"]
