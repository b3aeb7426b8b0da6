"""The base of all mapped tables. The schema itself is SQL: `migrations/`."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Maps rows; makes no tables."""
