"""Cases and alerts under several hands at once."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_many_deletions_at_once_lose_nothing(world: Any) -> None:
    """The client's suite deletes in parallel and swallows errors: one lost deletion would show up as a strange failure later."""
    case = await world.case()
    alerts = [await world.alert(sourceRef=str(n)) for n in range(12)]
    await asyncio.gather(*(world.soc.post(f"/api/v1/alert/{one['_id']}/merge/{case['_id']}") for one in alerts[:6]))
    paths = [f"/api/v1/case/{case['_id']}", *(f"/api/v1/alert/{one['_id']}" for one in alerts)]
    answers = await asyncio.gather(*(world.soc.delete(path) for path in paths))
    assert [answer.status_code for answer in answers] == [204] * 13
    for table in ("cases", "alerts", "observables", "case_texts", "alert_texts"):
        assert await world.owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_one_case_is_merged_once(world: Any) -> None:
    one, two, three = [await world.case(title=str(n)) for n in range(3)]
    answers = await asyncio.gather(
        world.soc.post(f"/api/v1/case/_merge/{one['_id']},{two['_id']}"),
        world.soc.post(f"/api/v1/case/_merge/{two['_id']},{three['_id']}"),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 404]
    assert len(await world.query({"_name": "listCase"})) == 2


async def test_one_alert_is_imported_once(world: Any) -> None:
    cases = [await world.case() for _ in range(4)]
    alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}])
    answers = await asyncio.gather(*(world.soc.post(f"/api/v1/alert/{alert['_id']}/merge/{one['_id']}") for one in cases))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert await world.owner.fetchval("SELECT count(*) FROM observables WHERE case_id IS NOT NULL") == 1


async def test_taking_back_a_share_while_the_receiver_writes(world: Any) -> None:
    await world.admin.put("/api/v1/organisation/soc/link/other")
    case = await world.case(sharingParameters=[{"organisation": "other"}])
    path = f"/api/v1/case/{case['_id']}"
    writes = [world.other.post(f"{path}/observable", json={"dataType": "domain", "data": f"{n}.example"}) for n in range(8)]
    taken = world.soc.request("DELETE", f"{path}/shares", json={"organisations": ["other"]})
    *answers, unshared = await asyncio.gather(*writes, taken)
    assert unshared.status_code == 204
    assert {answer.status_code for answer in answers} <= {201, 207, 403, 404}, [a.text for a in answers]
    assert await world.query({"_name": "listObservable"}, client=world.other) == []
    assert (await world.other.get(path)).status_code == 404
