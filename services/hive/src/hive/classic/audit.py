"""Classic routes of the history (contracts hive-v0 §2.12)."""

from __future__ import annotations

from fastapi import APIRouter

from hive.classic.events import audits
from hive.classic.search import searchable


def routes(router: APIRouter) -> None:
    searchable(router, "/audit", "audit", audits)
