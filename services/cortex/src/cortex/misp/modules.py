"""The list MISP reads within one second: kept in memory, made anew when workers change."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.misp.types import inputs_of
from cortex.workers.models import Worker
from waggle.db import Database

KEEP_SECONDS = 30.0
"""Longest life of a list; changes of workers are notified, so it only bounds what a lost notification costs."""


@dataclass(frozen=True, slots=True)
class Modules:
    """The list as it is sent, and how many are in it."""

    content: bytes
    total: int


def _module(worker: Any) -> dict[str, Any]:
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
        self._lists: dict[str, tuple[float, Modules]] = {}
        self._changes = 0

    def forget(self) -> None:
        self._lists.clear()
        self._changes += 1

    async def of(self, actor: Actor) -> Modules:
        """One module per analyzer of the actor's organisation."""
        until, modules = self._lists.get(actor.organisation, (0.0, None))
        if modules is None or until < time.monotonic():
            changes = self._changes
            async with self._database.begin(actor.scope) as session:
                modules = await self._read(session, actor.organisation)
            if changes == self._changes:  # else it was read before a change and would be kept after it
                self._lists[actor.organisation] = time.monotonic() + KEEP_SECONDS, modules
        return modules

    @staticmethod
    async def _read(session: AsyncSession, organisation: str) -> Modules:
        columns = (Worker.name, Worker.data_types, Worker.description, Worker.author, Worker.flavor_version)
        query = select(*columns).where(Worker.org_id == organisation, Worker.kind == "analyzer").order_by(Worker.name)
        found = [_module(worker) for worker in await session.execute(query)]
        return Modules(orjson.dumps(found), len(found))
