"""A request that is sent again with its Idempotency-Key is done once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

CASE = {"title": "Intrusion", "description": "Something happened"}
ALERT = {"type": "t", "source": "s", "sourceRef": "r", "title": "t", "description": "d"}
KEY = {"Idempotency-Key": "8f1c2a4e"}


async def _count(world: Any, table: str) -> int:
    return int(await world.owner.fetchval(f"SELECT count(*) FROM {table}"))


async def test_keys_of_others_are_others(world: Any) -> None:
    made = [(await c.post("/api/v1/case", json=CASE, headers=KEY)).json()["_id"] for c in (world.soc, world.other)]
    analyst = world.client("key-soc-analyst")
    made.append((await analyst.post("/api/v1/case", json=CASE, headers=KEY)).json()["_id"])
    assert len(set(made)) == 3
    assert (await world.anonymous.post("/api/v1/case", json=CASE, headers=KEY)).status_code == 401
    assert (await world.reader.post("/api/v1/case", json=CASE, headers=KEY)).status_code == 403


@pytest.mark.parametrize(
    ("path", "body", "table"),
    [
        ("/api/v1/case", CASE, "cases"),
        ("/api/v1/alert", ALERT, "alerts"),
        ("/api/case", CASE, "cases"),
        ("/api/alert", ALERT, "alerts"),
    ],
)
async def test_a_repeated_create_answers_as_the_first_did(world: Any, path: str, body: dict[str, Any], table: str) -> None:
    first = await world.soc.post(path, json=body, headers=KEY)
    again = await world.soc.post(path, json=body, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    assert await _count(world, table) == 1


async def test_ten_at_once_make_one(world: Any) -> None:
    answers = await asyncio.gather(*(world.soc.post("/api/v1/case", json=CASE, headers=KEY) for _ in range(10)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["_id"] for a in answers}) == 1
    assert await _count(world, "cases") == 1


async def test_a_batch_is_made_once(world: Any) -> None:
    body = {"alerts": [{**ALERT, "sourceRef": str(n)} for n in range(250)]}
    first = await world.soc.post("/api/v1/alert/_bulk", json=body, headers=KEY)
    again = await world.soc.post("/api/v1/alert/_bulk", json=body, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert len(again.json()["success"]) == 250 and again.json() == first.json()
    plain = await world.soc.post("/api/v1/alert/_bulk", json=body)
    assert plain.status_code == 207 and len(plain.json()["failure"]) == 250


async def test_a_refusal_may_be_mended_and_sent_again(world: Any) -> None:
    """What made nothing holds no key."""
    assert (await world.soc.post("/api/v1/case", json={"title": "x"}, headers=KEY)).status_code == 400
    assert (await world.soc.post("/api/v1/case", json=CASE, headers=KEY)).status_code == 201


async def test_another_request_with_the_same_key_is_refused(world: Any) -> None:
    await world.soc.post("/api/v1/case", json=CASE, headers=KEY)
    other = await world.soc.post("/api/v1/case", json={**CASE, "title": "Other"}, headers=KEY)
    assert (other.status_code, other.json()["type"]) == (422, "IdempotencyError")
    assert (await world.soc.post("/api/v1/alert", json=ALERT, headers=KEY)).status_code == 201  # a key of another route


async def test_a_file_sent_again_is_stored_once(world: Any) -> None:
    case = await world.case()
    path = f"/api/v1/case/{case['_id']}/observable"
    for _ in range(2):
        sent = await world.soc.post(path, data={"_json": '{"dataType": "file"}'}, files={"attachment": ("a", b"x")}, headers=KEY)
        assert sent.status_code == 201
    assert await _count(world, "observables") == 1


async def test_an_answer_that_was_lost_is_told(world: Any) -> None:
    await world.soc.post("/api/v1/case", json=CASE, headers=KEY)
    await world.owner.execute("UPDATE idempotency_keys SET status = NULL, answer = NULL")
    again = await world.soc.post("/api/v1/case", json=CASE, headers=KEY)
    assert (again.status_code, again.json()["type"]) == (409, "IdempotencyError")
    assert await _count(world, "cases") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_bad_keys(world: Any, key: str) -> None:
    answer = await world.soc.post("/api/v1/case", json=CASE, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest")
