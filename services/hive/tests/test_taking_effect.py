"""A right that is given or taken counts from the next request on, whichever door it comes through: by id, lists, searches,
counts, downloads, statistics, history, the stream and files, in both APIs."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from test_stream import events_of, following

from hive.identity.caller import Caller

WORD = "quokka"


@dataclass
class Looker:
    """Somebody who looks through every door, with a stream that stays open all the time."""

    world: Any
    client: Any
    caller: Caller
    events: Any = None
    first: Any = None
    number: Any = field(default_factory=itertools.count)

    async def open(self) -> None:
        self.events, self.first = await following(self.world, self.caller)

    async def streamed(self, case: dict[str, Any], writer: Any) -> bool:
        """Whether a change of the case arrives before what happens after it."""
        changed = await self.world.soc.patch(f"/api/v1/case/{case['_id']}", json={"summary": f"s{next(self.number)}"})
        assert changed.status_code == 204, changed.text
        alert = await self.world.alert(writer, sourceRef=f"{self.caller.login}-{next(self.number)}")
        seen: set[str] = set()
        async with asyncio.timeout(30):
            while alert["_id"] not in seen:
                chunk = await (self.first if self.first is not None else anext(self.events))
                self.first = None
                seen |= {change["objectId"] for _, change in events_of(chunk)}
        return case["_id"] in seen

    async def sees(self, things: dict[str, Any]) -> dict[str, bool]:
        case, client, query = things["case"], self.client, self.world.query
        string = {"_name": "filter", "_string": WORD}
        count = {"_name": "aggregation", "_agg": "count"}
        found: dict[str, bool] = {}
        for name, path in things["paths"].items():
            answer = await client.get(path)
            assert answer.status_code in (200, 404), (name, answer.status_code, answer.text)
            found[f"get {name}"] = answer.status_code == 200
        for source in ("Case", "Task", "Log", "Observable", "Comment", "Page", "CustomEvent", "Procedure"):
            found[f"list {source}"] = bool(await query({"_name": f"list{source}"}, client=client))
            found[f"count {source}"] = await query({"_name": f"list{source}"}, {"_name": "count"}, client=client) > 0
            found[f"statistics {source}"] = (await query({"_name": f"list{source}"}, count, client=client))["count"] > 0
            exported = await client.post("/api/v1/query/_export?format=json", json={"query": [{"_name": f"list{source}"}]})
            found[f"export {source}"] = bool(exported.json())
        for source in ("Case", "Task", "Log", "Observable", "Comment", "Page"):
            found[f"search {source}"] = bool(await query({"_name": f"list{source}"}, string, client=client))
        for path in ("case", "case/task", "case/task/log", "case/artifact"):
            answer = await client.post(f"/api/{path}/_search?range=all", json={"query": {"_string": WORD}})
            found[f"classic {path}"] = bool(answer.json())
        found["audit of object"] = bool(await query({"_name": "listAuditFromObject", "id": case["_id"]}, client=client))
        about = {"_name": "filter", "_eq": {"_field": "rootId", "_value": case["_id"]}}
        found["audit"] = bool(await query({"_name": "listAudit"}, about, client=client))
        found["timeline"] = (await client.get(f"/api/v1/case/{case['_id']}/timeline")).status_code == 200
        found["flow"] = case["_id"] in (await client.get(f"/api/flow?rootId={case['_id']}")).text
        return found


async def filled(world: Any) -> dict[str, Any]:
    """A case of `soc` with one of everything, each with the word; `paths` lead to objects and files."""
    case = await world.case(title=f"The {WORD}", tags=["x"])
    path = f"/api/v1/case/{case['_id']}"

    async def made(where: str, expected: int = 201, **body: Any) -> Any:
        answer = await world.soc.post(where, **body)
        assert answer.status_code == expected, (where, answer.text)
        return answer.json()

    task = await made(f"{path}/task", json={"title": f"Feed the {WORD}"})
    log = await made(
        f"/api/v1/task/{task['_id']}/log",
        data={"_json": f'{{"message": "{WORD} fed"}}'},
        files={"attachments": ("l.txt", b"log")},
    )
    await made(f"{path}/comment", json={"message": WORD})
    await made(f"{path}/page", json={"title": "p", "content": WORD, "category": "c"})
    await made(f"{path}/customEvent", json={"title": "e", "date": 1})
    await made(f"{path}/procedure", json={"patternId": "T1566", "occurDate": 1})
    attached = await made(f"{path}/attachments", files=[("attachments", ("a.txt", b"case"))])
    observable = await world.observable(case["_id"], data=f"{WORD}.example")
    (file,) = await made(f"{path}/observable", data={"_json": '{"dataType": "file"}'}, files={"attachment": ("f.bin", b"MZ")})
    paths = {
        "case": path, "task": f"/api/v1/task/{task['_id']}", "observable": f"/api/v1/observable/{observable['_id']}",
        "classic case": f"/api/case/{case['_id']}", "classic observable": f"/api/case/artifact/{observable['_id']}",
        "case's file": f"/api/v1/attachment/{attached['attachments'][0]['_id']}/download",
        "log's file": f"/api/v1/attachment/{log['attachments'][0]['_id']}/download",
        "observable's file": f"/api/v1/observable/{file['_id']}/attachment/{file['attachment']['_id']}/download",
        "classic file": f"/api/datastore/{file['attachment']['id']}",
    }  # fmt: skip
    return {"case": case, "paths": paths}


def everything(found: dict[str, bool], expected: bool) -> None:
    assert sorted(name for name, seen in found.items() if seen != expected) == []


async def as_caller(world: Any, login: str, organisation: str) -> Caller:
    user = await world.owner.fetchval("SELECT id FROM users WHERE login = $1", login)
    profile = login.partition("@")[0]
    return Caller(user, login, login, world.organisations[organisation], organisation, profile, frozenset())


@pytest.mark.timeout(240)
async def test_sharing_unsharing_and_restricting(world: Any) -> None:
    assert (await world.admin.put("/api/v1/organisation/soc/link/other")).status_code == 201
    things = await filled(world)
    case = things["case"]
    shares = f"/api/v1/case/{case['_id']}/shares"
    receiver = Looker(world, world.other, await as_caller(world, "org-admin@other.example", "other"))
    colleague = Looker(world, world.client("key-soc-analyst"), await as_caller(world, "analyst@soc.example", "soc"))
    writers = [(receiver, world.other), (colleague, world.soc)]
    for looker, _ in writers:
        await looker.open()

    async def check(*, received: bool, own: bool) -> None:
        everything(await receiver.sees(things), received)
        everything(await colleague.sees(things), own)
        for (looker, writer), expected in zip(writers, (received, own), strict=True):
            assert await looker.streamed(case, writer) == expected, looker.caller.login

    await check(received=False, own=True)
    body = {"shares": [{"organisation": "other", "taskRule": "autoShare", "observableRule": "autoShare"}]}
    assert (await world.soc.post(shares, json=body)).status_code == 201
    await check(received=True, own=True)
    assert (await world.soc.request("DELETE", shares, json={"organisations": ["other"]})).status_code == 204
    await check(received=False, own=True)
    assert (await world.soc.post(shares, json=body)).status_code == 201
    restricted = {"access": {"_kind": "UserAccessKind", "users": []}}
    access = f"/api/v1/case/{case['_id']}/access"
    assert (await world.soc.post(access, json=restricted)).status_code == 204
    await check(received=False, own=False)
    assert (await world.soc.post(access, json={"access": {"_kind": "OrganisationAccessKind"}})).status_code == 204
    await check(received=True, own=True)
    for looker, _ in writers:
        await looker.events.aclose()
