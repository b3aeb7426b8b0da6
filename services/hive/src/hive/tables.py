"""The base of hive's tables, and identifiers as clients see them.

An id is `~` and the decimal of the platform's one sequence (domain model §1.5), in both APIs.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import BigInteger, FetchedValue
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Text

from waggle.db.models import Stamped
from waggle.ids import now_ms

SYSTEM_LOGIN = "system@thehive.local"
ID = re.compile(r"~(\d{1,18})")


class Base(DeclarativeBase):
    """Columns by annotation: int is bigint, list[str] is text[], dict and list are jsonb."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own attribute)
        int: BigInteger,
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }


class Entity(Stamped):
    """A row that a client can name."""

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=FetchedValue())


def text_id(number: int) -> str:
    return f"~{number}"


def number_of(text: str) -> int | None:
    """The row an id names, or None when it is no id."""
    found = ID.fullmatch(text)
    return int(found[1]) if found else None


def touch(row: Stamped, login: str) -> None:
    """Marks a row as changed now by `login`: every update raises the version."""
    row.updated_at, row.updated_by, row.version = now_ms(), login, row.version + 1
