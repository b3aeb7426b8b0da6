"""Classic searches of Cortex jobs (contracts hive-v0 §2.10); the connector's other routes are the same in both APIs."""

from __future__ import annotations

from fastapi import APIRouter

from hive.classic import showing
from hive.classic.search import searchable


def routes(router: APIRouter) -> None:
    searchable(router, "/connector/cortex/job", "case_artifact_job", showing.jobs, gets=False)
