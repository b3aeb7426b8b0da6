"""Fixtures that every package's tests may use."""

pytest_plugins = ["waggle.testing"]
