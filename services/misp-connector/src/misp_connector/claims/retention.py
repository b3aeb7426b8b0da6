"""Deleting claims that no message can ask for any more."""

from __future__ import annotations

import asyncio

import structlog

from misp_connector.claims.service import sweep_one
from waggle.blobs import BlobStore
from waggle.db import Database

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3600.0


async def sweep(database: Database, blobs: BlobStore, *, days: float) -> int:
    """How many contents went. One transaction each, so that nobody waits for the sweep."""
    gone = 0
    while True:
        async with database.system() as session:
            if not await sweep_one(session, blobs, age_seconds=days * 86400):
                return gone
        gone += 1


async def run_retention(database: Database, blobs: BlobStore, *, days: float) -> None:
    while True:
        try:
            gone = await sweep(database, blobs, days=days)
            if gone:
                log.info("claims_swept", count=gone)
        except Exception as error:
            log.warning("sweep_failed", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(LOOK_SECONDS)
