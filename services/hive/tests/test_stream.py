"""Live changes: of the own organisation, in order, none skipped."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg

from hive.identity.caller import Caller
from hive.stream.service import Position, after, newest, position_of
from waggle.testing import ServiceDatabase


async def changes(world: Any, caller: Caller, position: Position, *, expected: int = 0) -> list[dict[str, Any]]:
    """The changes after a position, once there are as many as expected.

    A change shows when every transaction of the *server* that is older has ended; other tests' databases are on the same server.
    """
    deadline = time.monotonic() + 30
    while True:
        async with world.hive.database.begin(caller.scope()) as session:
            found = [change for _, change in await after(session, caller, position)]
        if len(found) >= expected or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.1)


async def start(world: Any, organisation: str = "soc") -> tuple[Caller, Position]:
    caller = world.platform(organisation)
    async with world.hive.database.begin(caller.scope()) as session:
        return caller, await newest(session)


async def test_only_the_own_organisation(world: Any) -> None:
    caller, position = await start(world)
    other, other_position = await start(world, "other")
    alert = await world.alert()
    assert [c["objectId"] for c in await changes(world, caller, position, expected=1)] == [alert["_id"]]
    assert await changes(world, other, other_position) == []


async def test_a_restricted_case_is_seen_by_its_readers_only(world: Any) -> None:
    caller, position = await start(world)
    case = await world.case()
    number = int(case["_id"][1:])
    reader = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
    await world.owner.execute("UPDATE cases SET access = 'users' WHERE id = $1", number)
    await world.owner.execute("INSERT INTO case_readers VALUES ($1, $2)", number, reader)
    assert await changes(world, caller, position) == []
    assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).status_code == 404
    assert await world.query({"_name": "listCase"}) == []
    analyst = world.client("key-soc-analyst")
    assert (await analyst.get(f"/api/v1/case/{case['_id']}")).status_code == 200
    as_reader = Caller(reader, "analyst@soc.example", "A", caller.org_id, "soc", "analyst", frozenset())
    assert [c["objectId"] for c in await changes(world, as_reader, position, expected=1)] == [case["_id"]]


async def test_a_slow_commit_is_not_skipped(world: Any, database: ServiceDatabase) -> None:
    """A transaction that began earlier and commits later still appears, after the one that overtook it."""
    caller, position = await start(world)
    slow = await asyncpg.connect(database.owner_url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(
        "INSERT INTO audit (at, org_id, request_id, base, action, kind, object_id, root_kind, root_id, actor, details)"
        " VALUES (1, $1, 'slow', true, 'create', 'alert', 1, 'alert', 1, 'x', '{}')", caller.org_id,
    )  # fmt: skip
    alert = await world.alert()
    assert await changes(world, caller, position) == []
    await transaction.commit()
    await slow.close()
    found = await changes(world, caller, position, expected=2)
    assert {c["objectId"] for c in found} == {"~1", alert["_id"]}


async def test_follows_live_and_resumes(world: Any) -> None:
    caller, position = await start(world)
    events = world.app.state.wakes.follow(world.hive, caller, position)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.1)
    alert = await world.alert()
    event = await asyncio.wait_for(first, 30)
    assert (event.event, event.data["objectId"], event.data["action"]) == ("audit", alert["_id"], "create")
    await events.aclose()
    await world.soc.patch(f"/api/v1/alert/{alert['_id']}", json={"title": "Changed"})
    again = world.app.state.wakes.follow(world.hive, caller, position_of(event.id))
    resumed = await asyncio.wait_for(anext(again), 30)
    assert (resumed.data["action"], resumed.data["details"]) == ("update", {"title": "Changed"})
    await again.aclose()


async def test_ends_when_the_caller_may_no_longer_read(world: Any) -> None:
    user = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
    org = world.organisations["soc"]
    caller = Caller(user, "analyst@soc.example", "A", org, "soc", "analyst", frozenset())
    events = world.app.state.wakes.follow(world.hive, caller, None)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.1)
    await world.owner.execute("DELETE FROM memberships WHERE user_id = $1", user)
    await world.alert()
    try:
        await asyncio.wait_for(waiting, 15)
        raise AssertionError("the stream went on")
    except StopAsyncIteration:
        pass


def test_positions_that_are_none() -> None:
    for text in (None, "", "x", "1", "-1-2", "1-", "1--2", "9" * 30 + "-1"):
        assert position_of(text) is None
