"""A connector's parts for tests: a database, a poller and one poll at a time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from misp_connector.events.consumers import Commands
from misp_connector.exporting import records
from misp_connector.exporting.exporter import Exporter
from misp_connector.exporting.neighbours import Neighbours
from misp_connector.instances import service
from misp_connector.instances.config import InstanceInput
from misp_connector.polling import lease
from misp_connector.polling.poller import Poller
from misp_connector.runtime import Runtime
from misp_connector.settings import Settings
from waggle.contracts.envelope import DataRef, Envelope
from waggle.contracts.messages.cases import CaseIocsChanged
from waggle.contracts.messages.misp import CaseExportRequested
from waggle.db import Scope
from waggle.ids import now_ms, uuid7
from waggle.messaging import Delivery
from waggle.security.secretbox import new_secret_key
from waggle.testing import ServiceDatabase

NAMESPACE = "5f0c2a8e-0000-4000-8000-00000000abcd"
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
SERVICE_KEY = "s" * 43


@dataclass
class Connector:
    """A connector under test. Polls run in the test's own task."""

    runtime: Runtime
    poller: Poller
    names: ServiceDatabase

    async def add(self, name: str, url: str, *, key: str | None = "k" * 40, kind: str = "server", **options: Any) -> None:
        data = InstanceInput.model_validate(
            {"name": name, "kind": kind, "url": url, "key": key, "options": {"read_timeout": 5, **options}}
        )
        async with self.runtime.database.begin(Scope()) as session:
            await service.create_instance(session, data=data, secrets=self.runtime.secrets, actor="test", trusted=True)

    async def poll(self, name: str = "partner", *, since: int | None = None) -> None:
        """One whole poll of the instance, due or not."""
        async with self.runtime.database.begin(Scope()) as session:
            await service.request_poll(session, name=name, since=since, actor="test")
        await self.rows(
            "UPDATE instance_states SET next_poll_at = 'epoch' FROM instances WHERE id = instance_id AND name = $1", name
        )
        claimed = await self.claim()
        assert claimed is not None and claimed.instance.name == name
        await self.poller.poll(claimed)

    async def claim(self) -> lease.Lease | None:
        async with self.runtime.database.begin(Scope()) as session:
            return await lease.claim(session)

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.names.owner_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close()

    async def sent(self, kind: str = "alert.raised.v1") -> list[dict[str, Any]]:
        """The envelopes of a type in the outbox, in order."""
        rows = await self.rows("SELECT body FROM outbox WHERE topic = $1 ORDER BY seq", kind)
        return [json.loads(row["body"]) for row in rows]

    async def forget_sent(self) -> None:
        await self.rows("DELETE FROM outbox")

    async def state(self, name: str = "partner") -> dict[str, Any]:
        (row,) = await self.rows(
            "SELECT s.* FROM instance_states s JOIN instances i ON i.id = s.instance_id WHERE i.name = $1", name
        )
        return row

    async def events(self) -> dict[str, dict[str, Any]]:
        return {str(row["uuid"]): row for row in await self.rows("SELECT * FROM events")}


class Shelf(Neighbours):
    """What hive would hand out, by hash."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return {"sha256": digest, "size": len(content), "url": f"http://hive.test/{digest}"}

    async def fetch(self, url: str, *, sha256: str, size: int) -> bytes:
        return self.contents[sha256]


@dataclass
class Exporting:
    """Exports under test: asked for as hive asks, carried out in the test's own task."""

    connector: Connector
    exporter: Exporter
    shelf: Shelf

    def observable(self, number: int, data_type: str, data: str | None, **more: Any) -> dict[str, Any]:
        return {"id": f"~{number}", "data_type": data_type, "data": data, "tlp": "AMBER", "ioc": True, **more}

    def file(self, name: str, content: bytes) -> dict[str, Any]:
        return {
            **self.shelf.put(content),
            "name": name,
            "content_type": "application/octet-stream",
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        }

    def case(self, *observables: dict[str, Any], number: int = 1, **more: Any) -> dict[str, Any]:
        case_id = more.pop("case_id", f"~{number * 4096}")
        namespace = more.pop("namespace", NAMESPACE)
        return {
            "namespace": namespace, "event_uuid": str(uuid5(UUID(namespace), f"1|{case_id}")), "case_id": case_id,
            "number": number, "title": "Intrusion", "severity": 3, "tlp": "AMBER", "pap": "AMBER",
            "start_date": 1_700_000_000_000, "stage": "InProgress", "version": 1, "link": "http://hive.test/cases/1",
            "observables": observables, **more,
        }  # fmt: skip

    async def ask(self, case: dict[str, Any], *, instance: str = "partner", organisation: str = "soc", **more: Any) -> Envelope:
        reference = DataRef.model_validate(self.shelf.put(json.dumps(case).encode()))
        message = CaseExportRequested(case_id=case["case_id"], instance=instance, case_ref=reference, **more)
        envelope = Envelope(
            id=uuid7(), type=message.type, source="hive", time=now_ms(), organisation=organisation, key="export",
            data=message.model_dump(mode="json"),
        )  # fmt: skip
        handler = Commands(self.connector.runtime.database, self.connector.runtime.notifier)
        await handler(Delivery(envelope, message, 1, "misp.commands"))
        return envelope

    async def tell_of_change(self, case: dict[str, Any], *instances: str) -> None:
        """As hive tells once a burst of changes is over."""
        reference = DataRef.model_validate(self.shelf.put(json.dumps(case).encode()))
        message = CaseIocsChanged(case_id=case["case_id"], instances=instances, case_ref=reference)
        envelope = Envelope(
            id=uuid7(), type=message.type, source="hive", time=now_ms(), organisation="soc", key="case",
            data=message.model_dump(mode="json"),
        )  # fmt: skip
        handler = Commands(self.connector.runtime.database, self.connector.runtime.notifier)
        await handler(Delivery(envelope, message, 1, "misp.commands"))

    async def claim(self) -> records.Export | None:
        async with self.connector.runtime.database.begin(Scope()) as session:
            return await records.claim(session)

    async def run(self) -> None:
        """All exports that are due."""
        while (export := await self.claim()) is not None:
            await self.exporter.export(export)

    async def export(self, case: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The answer hive gets, whichever it is."""
        envelope = await self.ask(case, **more)
        await self.run()
        answers = [*await self.connector.sent("case.exported.v1"), *await self.connector.sent("case.export.failed.v1")]
        (found,) = [one for one in answers if one["causation_id"] == str(envelope.id)]
        return dict(found["data"])

    async def hurry(self) -> None:
        """As if every pause and every lease of a lost process were over."""
        await self.connector.rows("UPDATE exports SET next_at = now() WHERE next_at IS NOT NULL")
        await self.connector.rows("UPDATE exports SET lease_until = NULL")


def exporting_of(connector: Connector) -> Exporting:
    runtime, shelf = connector.runtime, Shelf()
    exporter = Exporter(
        database=runtime.database,
        blobs=runtime.blobs,
        secrets=runtime.secrets,
        guard=runtime.guard,
        notifier=runtime.notifier,
        neighbours=shelf,
        claims_url=runtime.settings.claims_url,
        parallel=1,
    )
    return Exporting(connector, exporter, shelf)


def settings_for(database: ServiceDatabase, folder: Path, **more: Any) -> Settings:
    return Settings(
        database_url=database.owner_url,
        database_app_url=database.app_url,
        database_system_url=database.system_url,
        blobs=str(folder / "blobs"),
        secret_keys=more.pop("secret_keys", new_secret_key()),
        service_keys={"hive": SERVICE_KEY},
        **more,
    )


def poller_of(runtime: Runtime) -> Poller:
    return Poller(
        database=runtime.database,
        blobs=runtime.blobs,
        secrets=runtime.secrets,
        guard=runtime.guard,
        notifier=runtime.notifier,
        claims_url=runtime.settings.claims_url,
        feed_folders=tuple(runtime.settings.feed_folders),
        parallel=runtime.settings.parallel_polls,
    )
