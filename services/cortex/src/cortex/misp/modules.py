"""The list MISP reads within one second: kept in memory, made anew when workers change."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.misp.types import inputs_of
from cortex.workers.models import Worker
from waggle.db import Database

KEEP_SECONDS = 30.0
"""Longest life of a list; changes of workers are notified, so it only bounds what a lost notification costs."""


def _module(worker: Worker) -> dict[str, Any]:
    """`config` stays empty: MISP would ask its own settings for the names in it."""
    return {
        "name": worker.name,
        "type": "cortex",
        "mispattributes": {"input": inputs_of(worker.data_types), "output": []},
        "meta": {
            "module-type": ["cortex"],
            "description": worker.description,
            "author": worker.author,
            "version": worker.flavor_version,
            "config": [],
        },
    }


class ModuleList:
    """Modules by organisation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lists: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    def forget(self) -> None:
        self._lists.clear()

    async def of(self, actor: Actor) -> list[dict[str, Any]]:
        """One module per analyzer of the actor's organisation."""
        until, modules = self._lists.get(actor.organisation, (0.0, []))
        if until < time.monotonic():
            async with self._database.begin(actor.scope) as session:
                modules = await self._read(session, actor.organisation)
            self._lists[actor.organisation] = time.monotonic() + KEEP_SECONDS, modules
        return modules

    @staticmethod
    async def _read(session: AsyncSession, organisation: str) -> list[dict[str, Any]]:
        query = select(Worker).where(Worker.org_id == organisation, Worker.kind == "analyzer").order_by(Worker.name)
        return [_module(worker) for worker in await session.scalars(query)]
