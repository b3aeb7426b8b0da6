"""Alembic's entry: everything is in waggle.db.migrate."""

from waggle.db.migrate import run_env

run_env()
