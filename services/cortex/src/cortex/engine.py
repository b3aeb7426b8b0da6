"""Everything a process of the service shares, made once from the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor
from cortex.definitions.scan import Sources
from cortex.jobs.waiting import JobWatcher
from cortex.misp.modules import ModuleList
from cortex.settings import Settings
from cortex.workers.items import Defaults
from cortex.workers.targets import Target
from waggle.blobs import BlobStore, open_store
from waggle.db import Database, Scope
from waggle.db.notify import Listener, Notifier
from waggle.db.recent import Recent
from waggle.security.passwords import Passwords
from waggle.security.secretbox import SecretBox

IDENTITY, WORKERS = "cortex_identity", "workers"
"""The channels that PostgreSQL tells changes on, whoever made them (migration 0003)."""
WAKE_EVERY = 0.005
"""Seconds between wake-ups of runners: a person waits for the analyzer."""


@dataclass(frozen=True, slots=True)
class Engine:
    """`scanning` keeps two scans of the definitions from running at once."""

    settings: Settings
    database: Database
    blobs: BlobStore
    box: SecretBox
    passwords: Passwords
    notifier: Notifier
    listener: Listener
    watcher: JobWatcher
    modules: ModuleList
    accounts: Recent[Actor]
    targets: Recent[Target]
    sources: Sources
    scanning: asyncio.Lock

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        database = Database(
            settings.database_app_url.get_secret_value(),
            settings.database_system_url.get_secret_value(),
            application_name="cortex",
            pool_size=settings.database_pool,
        )
        listener = Listener(settings.database_system_url.get_secret_value())
        return cls(
            settings=settings,
            database=database,
            blobs=open_store(settings.blobs),
            box=SecretBox([key.get_secret_value() for key in settings.secret_keys]),
            passwords=Passwords(),
            notifier=Notifier(database, interval=WAKE_EVERY),
            listener=listener,
            watcher=JobWatcher(database),
            modules=ModuleList(database),
            accounts=Recent(listener, IDENTITY),
            targets=Recent(listener, WORKERS),
            sources=Sources(
                analyzers=settings.analyzer_paths, responders=settings.responder_paths, modules=settings.misp_modules_url
            ),
            scanning=asyncio.Lock(),
        )

    @property
    def defaults(self) -> Defaults:
        """What a worker gets that does not say."""
        settings = self.settings
        return Defaults(settings.job_cache_minutes, max(1, round(settings.job_timeout_seconds / 60)))

    @asynccontextmanager
    async def changing(self, scope: Scope) -> AsyncIterator[AsyncSession]:
        """A transaction that changes people, organisations or workers: the next request sees them as they are then."""
        async with self.database.begin(scope) as session:
            yield session
        for kept in (self.accounts, self.targets, self.modules):
            kept.forget()

    async def close(self) -> None:
        await self.listener.stop()
        await self.watcher.stop()
        await self.database.close()
