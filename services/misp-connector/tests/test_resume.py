"""Leases, and polls that are cut short: whatever happens, nothing is lost and nothing is sent under two ids."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from misp_double import Asked, Fault, MispDouble
from misp_harness import Connector, poller_of

from misp_connector.polling import lease
from waggle.db import Scope


def filled(count: int) -> MispDouble:
    misp = MispDouble()
    for n in range(count):
        misp.state.clock += 1
        misp.state.add({"info": f"event {n}", "Attribute": [{"type": "domain", "value": f"{n}.example"}]})
    return misp


async def expire(connector: Connector) -> None:
    await connector.rows("UPDATE instance_states SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL")


async def test_one_poller_at_a_time_has_an_instance(connector: Connector) -> None:
    await connector.add("partner", "http://127.0.0.1:9/")
    first = await connector.claim()
    assert first is not None and await connector.claim() is None


async def test_an_instance_whose_poller_was_lost_is_taken_over(connector: Connector) -> None:
    await connector.add("partner", "http://127.0.0.1:9/")
    lost = await connector.claim()
    await expire(connector)
    taken = await connector.claim()
    assert lost and taken and taken.holder != lost.holder
    async with connector.runtime.database.begin(Scope()) as session:
        assert not await lease.keep(session, lost)
        assert await lease.keep(session, taken)


async def test_a_poller_that_lost_its_lease_writes_nothing_more(connector: Connector) -> None:
    with filled(1) as misp:
        await connector.add("partner", misp.url)
        lost = await connector.claim()
        await expire(connector)
        assert lost and await connector.claim()
        await connector.poller.poll(lost)
    assert await connector.sent() == []
    assert (await connector.state())["last_ok"] is None


async def test_a_cancelled_poll_is_given_back_and_goes_on_where_it_stopped(connector: Connector) -> None:
    with filled(6) as misp:
        await connector.add("partner", misp.url, page_size=2)
        held = await connector.claim()
        assert held
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        def after(asked: Asked) -> None:
            if len(misp.asked("events/restSearch")) == 4:
                loop.call_soon_threadsafe(reached.set)

        misp.after = after
        misp.faults = [Fault("stall", "events/restSearch", '"eventid":"5"', times=1, seconds=2)]
        task = asyncio.create_task(connector.poller.poll(held))
        await asyncio.wait_for(reached.wait(), 20)
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await connector.sent()) == 4
        fetched = len(misp.asked("events/restSearch"))
        again = await connector.claim()
        assert again
        await poller_of(connector.runtime).poll(again)
        assert len(misp.asked("events/restSearch")) - fetched <= 3
    envelopes = await connector.sent()
    assert sorted(e["data"]["alert"]["title"] for e in envelopes) == [f"#{n + 1} event {n}" for n in range(6)]
    assert len({e["id"] for e in envelopes}) == 6


@pytest.mark.parametrize("after_events", range(1, 5))
async def test_a_database_that_goes_away_in_the_middle_loses_nothing(connector: Connector, after_events: int) -> None:
    """The server's connections are cut from outside, as by a restart of PostgreSQL."""
    with filled(5) as misp:

        def cut(asked: Asked) -> None:
            if len(misp.asked("events/restSearch")) == after_events and asked.path == "events/restSearch":
                asyncio.run(
                    connector.rows(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                        " AND pid <> pg_backend_pid()"
                    )
                )

        await connector.add("partner", misp.url)
        misp.after = cut
        await connector.poll()
        misp.after = None
        await expire(connector)
        await connector.poll()
    envelopes = await connector.sent()
    assert len(envelopes) == len({e["id"] for e in envelopes}) == 5
    assert (await connector.state())["last_error"] is None


async def test_a_poll_asked_for_during_a_poll_follows_it(connector: Connector) -> None:
    from misp_connector.instances import service

    with filled(1) as misp:
        await connector.add("partner", misp.url, interval="1h")
        held = await connector.claim()
        assert held
        async with connector.runtime.database.begin(Scope()) as session:
            await service.request_poll(session, name="partner", since=None, actor="test")
        await connector.poller.poll(held)
        assert await connector.claim() is not None


async def test_settings_that_change_during_a_poll_end_it(connector: Connector) -> None:
    from misp_connector.instances import service
    from misp_connector.instances.config import InstanceChange

    with filled(2) as misp:
        await connector.add("partner", misp.url)
        held = await connector.claim()
        assert held
        async with connector.runtime.database.begin(Scope()) as session:
            change = InstanceChange(options={"exclude_orgs": ["Example CERT"]})
            await service.change_instance(session, name="partner", change=change, secrets=connector.runtime.secrets, actor="t")
        await connector.poller.poll(held)
        assert await connector.sent() == []
        await connector.poll()
    assert {e["state"] for e in (await connector.events()).values()} == {"filtered"}


async def test_looser_filters_bring_back_what_was_filtered(connector: Connector) -> None:
    from misp_connector.instances import service
    from misp_connector.instances.config import InstanceChange

    with filled(2) as misp:
        await connector.add("partner", misp.url, include_tags=["never"])
        await connector.poll()
        assert await connector.sent() == []
        async with connector.runtime.database.begin(Scope()) as session:
            change = InstanceChange(options={"include_tags": None})
            await service.change_instance(session, name="partner", change=change, secrets=connector.runtime.secrets, actor="t")
        await connector.poll()
    assert len(await connector.sent()) == 2


async def test_the_interval_has_up_to_a_tenth_of_jitter(connector: Connector) -> None:
    pauses: set[Any] = set()
    with MispDouble() as misp:
        await connector.add("partner", misp.url, interval=1000)
        for _ in range(5):
            await connector.poll()
            (row,) = await connector.rows("SELECT extract(epoch FROM next_poll_at - now()) AS s FROM instance_states")
            pauses.add(round(row["s"], 2))
    assert all(998 <= pause <= 1101 for pause in pauses) and len(pauses) > 1


async def test_the_poller_polls_what_is_due_and_ends_cleanly(connector: Connector) -> None:
    with filled(3) as one, filled(2) as other:
        await connector.add("partner", one.url)
        await connector.add("sector", other.url)
        work = asyncio.create_task(connector.poller.run())
        for _ in range(200):
            if len(await connector.sent()) == 5:
                break
            await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    assert len(await connector.sent()) == 5
    rows = await connector.rows("SELECT lease_until FROM instance_states")
    assert all(row["lease_until"] is None for row in rows)
