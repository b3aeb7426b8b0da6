"""Live changes: of the own organisation, in order, none skipped."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import orjson

from hive.audit.history import Position, after, change_out, latest, newest
from hive.identity.caller import Caller
from hive.stream.fanout import Stream
from hive.stream.service import position_of


async def changes(world: Any, caller: Caller, position: Position, *, expected: int = 0) -> list[dict[str, Any]]:
    """The changes after a position, once there are as many as expected.

    A change shows when every transaction of the *server* that is older has ended; other tests' databases are on the same server.
    """
    deadline = time.monotonic() + 30
    while True:
        async with world.hive.database.begin(caller.scope()) as session:
            found = [change_out(change) for change in await after(session, caller, position)]
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
    outsider = await world.owner.fetchval("SELECT id FROM users WHERE login = 'org-admin@soc.example'")
    as_outsider = Caller(outsider, "org-admin@soc.example", "O", caller.org_id, "soc", "org-admin", frozenset())
    assert await changes(world, as_outsider, position) == []
    assert (await world.soc.get(f"/api/v1/case/{case['_id']}")).status_code == 404
    assert await world.query({"_name": "listCase"}) == []
    analyst = world.client("key-soc-analyst")
    assert (await analyst.get(f"/api/v1/case/{case['_id']}")).status_code == 200
    as_reader = Caller(reader, "analyst@soc.example", "A", caller.org_id, "soc", "analyst", frozenset())
    assert [c["objectId"] for c in await changes(world, as_reader, position, expected=1)] == [case["_id"]]


async def test_a_slow_commit_is_not_skipped(world: Any) -> None:
    """A transaction that began earlier and commits later still appears, after the one that overtook it."""
    caller, position = await start(world)
    slow = await asyncpg.connect(world.settings.database_url.get_secret_value())
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


def events_of(chunk: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The position and the change of each event in what was sent."""
    found = []
    for block in chunk.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        if lines:
            assert lines["event"] == "audit"
            found.append((lines["id"], orjson.loads(lines["data"])))
    return found


async def following(world: Any, caller: Caller, position: Position | None = None) -> Any:
    """An open stream, known to its reader."""
    events = world.app.state.streams.follow(caller, position)
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.2)
    return events, first


async def test_follows_live_and_resumes(world: Any) -> None:
    caller, position = await start(world)
    events, first = await following(world, caller)
    alert = await world.alert()
    async with asyncio.timeout(30):
        ((place, change),) = events_of(await first)
    assert (change["objectId"], change["action"]) == (alert["_id"], "create")
    await events.aclose()
    await world.soc.patch(f"/api/v1/alert/{alert['_id']}", json={"title": "Changed"})
    assert len(await changes(world, caller, position, expected=2)) == 2
    again = world.app.state.streams.follow(caller, position_of(place))
    async with asyncio.timeout(30):
        ((_, resumed),) = events_of(await anext(again))
    assert (resumed["action"], resumed["details"]) == ("update", {"title": "Changed"})
    await again.aclose()


async def test_everybody_gets_what_is_theirs(world: Any) -> None:
    """Two organisations, a reader of a restricted case and one who is none, fed by one reader of the history."""
    reader = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
    outsider = await world.owner.fetchval("SELECT id FROM users WHERE login = 'read-only@soc.example'")
    case = await world.case()
    number = int(case["_id"][1:])
    await world.owner.execute("UPDATE cases SET access = 'users' WHERE id = $1", number)
    await world.owner.execute("INSERT INTO case_readers VALUES ($1, $2)", number, reader)
    soc = world.organisations["soc"]
    callers = {
        "reader": Caller(reader, "analyst@soc.example", "A", soc, "soc", "analyst", frozenset()),
        "outsider": Caller(outsider, "read-only@soc.example", "R", soc, "soc", "read-only", frozenset()),
        "other": world.platform("other"),
    }
    open_ = {name: await following(world, caller) for name, caller in callers.items()}
    await world.client("key-soc-analyst").patch(f"/api/v1/case/{case['_id']}", json={"title": "Secret"})
    await world.alert()
    await world.alert(world.other)
    seen: dict[str, set[str]] = {}
    for name, (events, first) in open_.items():
        async with asyncio.timeout(30):
            got = events_of(await first)
            while "alert" not in [change["objectType"] for _, change in got]:
                got += events_of(await anext(events))
        seen[name] = {change["objectType"] for _, change in got}
        await events.aclose()
    assert seen == {"reader": {"case", "alert"}, "outsider": {"alert"}, "other": {"alert"}}


async def test_a_received_case_is_followed_without_the_parts_that_are_not_shared(world: Any) -> None:
    caller, position = await start(world, "other")
    case = await world.case()
    number, other = int(case["_id"][1:]), world.organisations["other"]
    shown = await world.observable(case["_id"])
    await world.observable(case["_id"], data="hidden.example")
    await world.owner.execute(
        "INSERT INTO case_shares (case_id, org_id, owner, profile_id, start_date)"
        " SELECT $1, $2, false, id, 1 FROM profiles WHERE name = 'analyst'", number, other,
    )  # fmt: skip
    await world.owner.execute("INSERT INTO observable_shares VALUES ($1, $2)", int(shown["_id"][1:]), other)
    found = await changes(world, caller, position, expected=2)
    assert [(c["objectType"], c["objectId"]) for c in found] == [("case", case["_id"]), ("observable", shown["_id"])]
    await world.owner.execute("DELETE FROM case_shares WHERE case_id = $1 AND org_id = $2", number, other)
    assert await changes(world, caller, position) == []


async def test_ends_when_the_caller_may_no_longer_read(world: Any) -> None:
    user = await world.owner.fetchval("SELECT id FROM users WHERE login = 'analyst@soc.example'")
    org = world.organisations["soc"]
    caller = Caller(user, "analyst@soc.example", "A", org, "soc", "analyst", frozenset())
    _, waiting = await following(world, caller)
    await world.owner.execute("DELETE FROM memberships WHERE user_id = $1", user)
    await world.alert()
    try:
        async with asyncio.timeout(15):
            await waiting
        raise AssertionError("the stream went on")
    except StopAsyncIteration:
        pass


async def test_a_page_that_cannot_keep_up_is_let_go(world: Any, monkeypatch: Any) -> None:
    """It comes back with its Last-Event-ID; memory does not grow for it meanwhile."""
    monkeypatch.setattr("hive.stream.fanout.MAX_WAITING", 2)
    stream = Stream(world.platform())
    for _ in range(4):
        stream.put(b"x")
    assert (stream.ended, stream.take()) == (True, b"")


async def test_the_latest_changes_are_grouped_by_request(world: Any) -> None:
    caller, position = await start(world)
    case = await world.case()
    await world.alert()
    await world.observable(case["_id"])
    assert len(await changes(world, caller, position, expected=3)) >= 3
    async with world.hive.database.begin(caller.scope()) as session:
        everything = await latest(session, root_id=None, count=2)
        of_case = await latest(session, root_id=int(case["_id"][1:]), count=10)
    assert [[c.kind for c in group] for group in everything] == [["observable"], ["alert"]]
    assert [group[0].kind for group in of_case] == ["observable", "case"]
    stranger = world.platform("other")
    async with world.hive.database.begin(stranger.scope()) as session:
        assert await latest(session, root_id=int(case["_id"][1:]), count=10) == []


def test_positions_that_are_none() -> None:
    for text in (None, "", "x", "1", "-1-2", "1-", "1--2", "9" * 30 + "-1"):
        assert position_of(text) is None
