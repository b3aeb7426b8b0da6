"""Everything a process of the service shares, made once from the settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cortex.definitions.scan import Sources
from cortex.jobs.waiting import JobWatcher
from cortex.misp.modules import ModuleList
from cortex.settings import Settings
from cortex.workers.service import Defaults
from waggle.blobs import BlobStore, open_store
from waggle.db import Database
from waggle.db.notify import Listener, Notifier
from waggle.security.passwords import Passwords
from waggle.security.secretbox import SecretBox

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
        return cls(
            settings=settings,
            database=database,
            blobs=open_store(settings.blobs),
            box=SecretBox([key.get_secret_value() for key in settings.secret_keys]),
            passwords=Passwords(),
            notifier=Notifier(database, interval=WAKE_EVERY),
            listener=Listener(settings.database_system_url.get_secret_value()),
            watcher=JobWatcher(database),
            modules=ModuleList(database),
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

    async def close(self) -> None:
        await self.listener.stop()
        await self.watcher.stop()
        await self.database.close()
