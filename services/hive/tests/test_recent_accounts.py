"""Accounts kept in memory never outlive a change of their rights."""

from __future__ import annotations

from typing import Any

import pytest

from waggle.testing import until

KEY = "key-soc-analyst"
CHANGES = [
    "UPDATE users SET locked = true WHERE login = 'analyst@soc.example'",
    "DELETE FROM memberships m USING users u WHERE u.id = m.user_id AND u.login = 'analyst@soc.example'",
    "DELETE FROM api_keys k USING users u WHERE u.id = k.user_id AND u.login = 'analyst@soc.example'",
    "UPDATE organisations SET locked = true WHERE name = 'soc'",
]


async def _status(world: Any) -> int:
    return int((await world.client(KEY).get("/api/v1/user/current")).status_code)


async def _warm(world: Any) -> None:
    """The account of KEY is kept from here on."""
    await until(lambda: world.hive.listener.listening)

    async def kept() -> bool:  # not at once, where the news of the test's own preparations is still on its way
        assert await _status(world) == 200
        return bool(world.hive.authenticator.recent._known)

    await until(kept)


@pytest.mark.parametrize("change", CHANGES, ids=["locked", "no member", "key removed", "organisation locked"])
async def test_what_another_process_takes_away_is_gone(world: Any, change: str) -> None:
    await _warm(world)
    await world.owner.execute(change)
    await until(lambda: not world.hive.authenticator.recent._known)
    assert await _status(world) == 401


async def test_fewer_permissions_count_at_once(world: Any) -> None:
    await _warm(world)
    await world.owner.execute("UPDATE profiles SET permissions = '{}' WHERE name = 'analyst'")
    await until(lambda: not world.hive.authenticator.recent._known)
    alert = {"type": "t", "source": "s", "sourceRef": "r", "title": "t", "description": "d"}
    assert (await world.client(KEY).post("/api/v1/alert", json=alert)).status_code == 403


async def test_a_lock_over_the_api_counts_on_the_very_next_request(world: Any) -> None:
    await _warm(world)
    assert (await world.soc.patch("/api/v1/user/analyst@soc.example", json={"locked": True})).status_code == 204
    assert await _status(world) == 401


async def test_the_use_of_a_key_forgets_nobody(world: Any) -> None:
    await _warm(world)
    generation = world.hive.authenticator.recent.generation
    await world.owner.execute("UPDATE api_keys SET last_used_at = now()")
    assert await _status(world) == 200
    assert world.hive.authenticator.recent.generation == generation


async def test_nothing_is_kept_while_no_change_would_be_heard(world: Any) -> None:
    await _warm(world)
    await world.hive.listener.stop()
    await world.owner.execute(CHANGES[0])
    assert await _status(world) == 401


async def test_a_look_up_that_a_change_overtook_is_not_kept(world: Any) -> None:
    await until(lambda: world.hive.listener.listening)
    recent = world.hive.authenticator.recent
    generation = recent.generation
    recent.forget()
    recent.keep(b"k", object(), generation)
    assert recent.get(b"k") is None
