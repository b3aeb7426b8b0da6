"""From a committed change to one effect at the receiver: outbox, relay, bus, inbox, on both carriers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from waggle.contracts.envelope import MESSAGE_LIMIT, Envelope
from waggle.db import Database, Scope
from waggle.ids import uuid7
from waggle.messaging import Bus, Delivery, TooBig, Unsendable, inbox
from waggle.messaging.outbox import Relay, enqueue
from waggle.testing import MakeDatabase, ServiceDatabase, until

from .support import LADDER, Carrier, Inbox, Process, alert_raised, running, source_gone


@pytest.fixture
async def stored(make_database: MakeDatabase, migrations: Path) -> ServiceDatabase:
    return await make_database("postal", migrations=migrations)


@pytest.fixture
async def db(stored: ServiceDatabase) -> AsyncIterator[Database]:
    """The sender's and receiver's database; not the bus' one."""
    database = Database(stored.app_url, stored.system_url, application_name="test")
    yield database
    await database.close()


@contextlib.asynccontextmanager
async def relaying(db: Database, bus: Bus) -> AsyncIterator[Relay]:
    relay = Relay(db, bus)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def left(db: Database) -> list[asyncpg.Record]:
    return await db.fetch("SELECT seq, message_id, refused FROM outbox ORDER BY seq", system=True)


async def is_drained(db: Database) -> bool:
    return not await left(db)


async def put(db: Database, *envelopes: Envelope) -> None:
    async with db.begin(Scope()) as session:
        await enqueue(session, envelopes)


def effect(db: Database) -> Any:
    """A handler whose effect is a row, guarded by the inbox."""

    async def handler(delivery: Delivery) -> None:
        async with db.begin(Scope()) as session:
            if await inbox.first_time(session, delivery.queue, delivery.envelope.id):
                await session.execute(text("INSERT INTO effects VALUES (:id)"), {"id": delivery.envelope.id})

    return handler


async def effects(db: Database) -> list[Any]:
    return [row["message_id"] for row in await db.fetch("SELECT message_id FROM effects")]


class TestEnqueue:
    async def test_the_application_may_write_but_not_read_or_delete(self, db: Database) -> None:
        await put(db, alert_raised())
        for statement in ("SELECT * FROM outbox", "DELETE FROM outbox", "UPDATE outbox SET topic = ''"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await db.fetch(statement)

    async def test_a_transaction_that_fails_sends_nothing(self, db: Database) -> None:
        with pytest.raises(ZeroDivisionError):
            async with db.begin(Scope()) as session:
                await enqueue(session, [alert_raised()])
                raise ZeroDivisionError
        assert await left(db) == []

    async def test_rows_lie_in_the_order_of_writing(self, db: Database) -> None:
        sent = [alert_raised(n) for n in range(30)]
        await put(db, *sent)
        bodies = await db.fetch("SELECT body::text FROM outbox ORDER BY seq", system=True)
        assert [Envelope.model_validate_json(row["body"]) for row in bodies] == sent

    async def test_a_driver_connection_will_do(self, db: Database) -> None:
        sent = [alert_raised(n) for n in range(3)]
        async with db.raw() as connection:
            await enqueue(connection, sent)
            await enqueue(connection, [])
        bodies = await db.fetch("SELECT body::text FROM outbox ORDER BY seq", system=True)
        assert [Envelope.model_validate_json(row["body"]) for row in bodies] == sent

    async def test_too_big_fails_in_the_callers_transaction(self, db: Database) -> None:
        big = source_gone(data={"instance": "x" * MESSAGE_LIMIT, "event_uuids": []})
        with pytest.raises(TooBig):
            await put(db, big)
        with pytest.raises(Unsendable):
            await put(db, alert_raised(actor="\ud83d"))


class TestInbox:
    async def test_a_message_is_new_once_per_consumer(self, db: Database) -> None:
        message = uuid7()
        async with db.begin(Scope()) as session:
            assert await inbox.first_time(session, "a", message)
        async with db.begin(Scope()) as session:
            assert not await inbox.first_time(session, "a", message)
            assert await inbox.first_time(session, "b", message)

    async def test_a_handler_that_fails_leaves_the_message_new(self, db: Database) -> None:
        message = uuid7()
        with pytest.raises(ZeroDivisionError):
            async with db.begin(Scope()) as session:
                assert await inbox.first_time(session, "a", message)
                raise ZeroDivisionError
        async with db.begin(Scope()) as session:
            assert await inbox.first_time(session, "a", message)

    async def test_of_two_at_the_same_time_one_waits_and_sees_the_other(self, db: Database) -> None:
        message, answers = uuid7(), []

        async def take() -> None:
            async with db.begin(Scope()) as session:
                answers.append(await inbox.first_time(session, "a", message))
                await asyncio.sleep(0.1)

        await asyncio.gather(take(), take())
        assert sorted(answers) == [False, True]

    async def test_only_old_messages_are_forgotten(self, db: Database) -> None:
        old, new = uuid7(), uuid7()
        async with db.begin(Scope()) as session:
            await inbox.first_time(session, "a", new)
            insert = "INSERT INTO inbox VALUES ('a', :id, now() - interval '15 days')"
            await session.execute(text(insert), {"id": old})
        async with db.raw(system=True) as connection:
            assert await inbox.forget(connection) == 1
            assert await connection.fetchval("SELECT message_id FROM inbox") == new


class TestRelay:
    async def test_what_was_committed_arrives_in_order(self, db: Database, carrier: Carrier) -> None:
        hive, misp, got = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        sent = [alert_raised(n) for n in range(450)]
        await put(db, *sent)
        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), got, concurrency=1)
            async with relaying(db, misp):
                await until(lambda: len(got.got) == len(sent))
                await until(lambda: is_drained(db))
        assert len(set(got.ids)) == len(sent)

    async def test_an_envelope_built_in_sql_is_sent(self, db: Database, carrier: Carrier) -> None:
        """The one-statement intake knows its ids only inside the statement."""
        hive, misp, got = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        envelope = alert_raised()
        await db.fetch(
            "INSERT INTO outbox (message_id, topic, key, body) SELECT $1::uuid, 'alert.raised.v1', 'misp:1',"
            " jsonb_set($2::text::jsonb, '{data,alert,title}', to_jsonb('from ' || 'sql'))",
            envelope.id,
            envelope.encode().decode(),
        )
        async with running(hive, misp), relaying(db, misp):
            await hive.subscribe(carrier.queue(), got)
            await until(lambda: got.got)
        assert got.got[0].message.alert.title == "from sql"  # type: ignore[union-attr]

    async def test_a_relay_killed_between_publish_and_delete_has_one_effect(
        self, db: Database, stored: ServiceDatabase, carrier: Carrier
    ) -> None:
        hive, misp, queue = carrier.bus("hive"), carrier.bus("misp-connector"), carrier.queue()
        sent = [alert_raised(n) for n in range(20)]
        async with running(hive, misp):
            await hive.subscribe(queue, effect(db))
            await put(db, *sent)
            urls = {"app_url": stored.app_url, "system_url": stored.system_url}
            process = Process("relay", carrier, "misp-connector", ladder=LADDER, **urls)
            assert await process.line() == "published 20"
            assert await process.ended() == -9
            assert len(await left(db)) == 20
            async with relaying(db, misp):
                await until(lambda: is_drained(db))
                await until(lambda: _all_handled(hive, queue.name))
        assert sorted(await effects(db)) == sorted(envelope.id for envelope in sent)

    async def test_a_type_nobody_takes_waits_and_holds_up_nobody_else(self, db: Database, carrier: Carrier) -> None:
        hive, misp, got, late = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox(), Inbox()
        gone, raised = source_gone(), alert_raised()
        await put(db, gone, raised)
        async with running(hive, misp):
            await hive.subscribe(carrier.queue("alerts", "alert.raised.v1"), got)
            async with relaying(db, misp):
                await until(lambda: got.got)
                await until(lambda: _only_left(db, gone))
                await hive.subscribe(carrier.queue("gone", "alert.source_gone.v1"), late)
                await until(lambda: late.got)
                await until(lambda: is_drained(db))

    async def test_what_can_never_be_sent_stays_with_its_reason(self, db: Database, carrier: Carrier) -> None:
        hive, misp, got = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        foreign = alert_raised(source="cortex")
        await put(db, foreign, good := alert_raised())
        await db.fetch("INSERT INTO outbox (message_id, topic, key, body) VALUES ($1, 'x', 'x', '{}')", uuid7(), system=False)
        async with running(hive, misp), relaying(db, misp):
            await hive.subscribe(carrier.queue(), got)
            await until(lambda: got.got)
            rows = await until(lambda: _all_refused(db))
        assert got.ids == [good.id]
        assert "cortex may not send" in rows[0]["refused"]
        assert "no envelope" in rows[1]["refused"]

    async def test_one_relay_is_active_and_another_takes_over(self, db: Database, carrier: Carrier) -> None:
        hive, misp, got = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        async with running(hive, misp):
            await hive.subscribe(carrier.queue(), got)
            async with relaying(db, misp):
                await put(db, alert_raised())
                await until(lambda: got.got)
                async with relaying(db, misp):
                    await asyncio.sleep(0.3)
                    assert await _active_relays(db) == 1
            async with relaying(db, misp):
                await put(db, second := alert_raised())
                await until(lambda: len(got.got) == 2)
        assert got.ids[-1] == second.id

    async def test_a_relay_survives_a_restart_of_its_database_connection(self, db: Database, carrier: Carrier) -> None:
        hive, misp, got = carrier.bus("hive"), carrier.bus("misp-connector"), Inbox()
        async with running(hive, misp), relaying(db, misp):
            await hive.subscribe(carrier.queue(), got)
            await put(db, alert_raised())
            await until(lambda: got.got)
            await db.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND usename = 'postal_system' AND datname = current_database()",
                system=True,
            )
            await put(db, second := alert_raised())
            await until(lambda: second.id in got.ids)  # the first one perhaps twice: its row was not yet deleted

    @pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
    async def test_a_broker_that_goes_away_under_load_loses_nothing(self, db: Database, carrier: Carrier, kill: bool) -> None:
        """Writers go on while it is away, and every message has one effect in the end."""
        hive, misp, queue = carrier.bus("hive"), carrier.bus("misp-connector"), carrier.queue()
        sent: list[Envelope] = []
        async with running(hive, misp):
            await hive.subscribe(queue, effect(db))
            async with relaying(db, misp):
                writer = asyncio.create_task(_write(db, sent))
                await until(lambda: _some(db, 60))
                await carrier.stop(kill=kill)
                before = len(sent)
                await until(lambda: len(sent) > before + 60)
                await carrier.start()
                await writer
                await until(lambda: is_drained(db), seconds=60)
                await until(lambda: _all_handled(hive, queue.name), seconds=60)
        assert sorted(await effects(db)) == sorted(envelope.id for envelope in sent)


async def _write(db: Database, sent: list[Envelope]) -> None:
    for n in range(400):
        envelope = alert_raised(n)
        await put(db, envelope)
        sent.append(envelope)
        await asyncio.sleep(0.005)


async def _only_left(db: Database, envelope: Envelope) -> bool:
    return [row["message_id"] for row in await left(db)] == [envelope.id]


async def _active_relays(db: Database) -> int:
    rows = await db.fetch(
        "SELECT count(*) AS n FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND granted AND datname = current_database()",
        system=True,
    )
    return int(rows[0]["n"])


async def _some(db: Database, count: int) -> bool:
    return len(await effects(db)) >= count


async def _all_refused(db: Database) -> list[asyncpg.Record] | None:
    rows = await left(db)
    return rows if len(rows) == 2 and all(row["refused"] for row in rows) else None


async def _all_handled(bus: Bus, queue: str) -> bool:
    depth = (await bus.depths())[queue]
    return (depth.ready, depth.delayed, depth.dead, depth.in_hand) == (0, 0, 0, 0)
