"""Catalogs on the network, and workers that move to another version of their definition."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from cortex.definitions.service import rescan

ENTRY = {"name": "Far", "version": "1.0", "author": "a", "url": "u", "license": "l", "description": "d", "dataTypeList": ["ip"]}


@pytest.fixture
def catalog() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server of one catalog: its URL, and what it answers."""
    state: dict[str, Any] = {"status": 200, "content": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = orjson.dumps(state["content"])
            self.send_response(state["status"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/analyzers.json", state
    server.shutdown()
    server.server_close()


class TestCatalogs:
    async def problems(self, api: Any) -> dict[str, str | None]:
        rows = await api.bench.owner.fetch("SELECT id, readable_error FROM definitions WHERE gone_at IS NULL")
        return {row["id"]: row["readable_error"] for row in rows}

    async def test_every_entry_is_read_and_flaws_are_named(self, api: Any, catalog: tuple[str, dict[str, Any]]) -> None:
        url, state = catalog
        image = {**ENTRY, "dockerImage": "example/far:1.0"}
        state["content"] = [image, {**ENTRY, "name": "Evil", "command": "Evil/run.sh"}, {"name": "Half"}, 7]
        async with api.with_settings(analyzer_paths=[*api.settings.analyzer_paths, url]) as other:
            await rescan(other.engine)
        problems = await self.problems(api)
        assert problems["Echo_1_0"] is None
        assert problems["Evil_1_0"] == "a catalog on the network may not name a command"
        assert "Far_1_0" in problems
        assert any("fields are missing" in (text or "") for text in problems.values())

    async def test_catalog_that_is_away_takes_nothing_along(self, api: Any, catalog: tuple[str, dict[str, Any]]) -> None:
        url, state = catalog
        state["content"] = [{**ENTRY, "dockerImage": "example/far:1.0"}]
        async with api.with_settings(analyzer_paths=[url]) as other:
            await rescan(other.engine)
            state["status"] = 503
            await rescan(other.engine)
            problems = await self.problems(api)
            assert "Far_1_0" in problems and "answers with status 503" in problems.values()
            state |= {"status": 200, "content": []}
            await rescan(other.engine)
            assert await self.problems(api) == {}

    async def test_worker_follows_its_definition_to_another_image(self, api: Any) -> None:
        api.flavor("Far", dockerImage="example/far:1.0")
        worker = await api.enable("Far_1_0")
        api.flavor("Far", dockerImage="example/far:1.0.1")
        await rescan(api.engine)
        assert (await api.admin.get(f"/api/analyzer/{worker}")).json()["dockerImage"] == "example/far:1.0.1"


class TestUpgrade:
    async def test_is_for_administrators_of_the_organisation(self, api: Any) -> None:
        worker = await api.enable()
        body = {"definitionId": "Echo_1_0"}
        assert (await api.anonymous.post(f"/api/analyzer/{worker}/upgrade", json=body)).status_code == 401
        assert (await api.reader.post(f"/api/analyzer/{worker}/upgrade", json=body)).status_code == 403
        stranger = await api.user("a@other", ["read", "orgadmin"], organisation="other")
        assert (await stranger.post(f"/api/analyzer/{worker}/upgrade", json=body)).status_code == 404

    async def test_configuration_id_and_name_are_kept(self, api: Any) -> None:
        items = [{"name": "key", "type": "string", "required": True}, {"name": "old", "type": "string"}]
        api.flavor("Svc", configurationItems=items)
        worker = await api.enable("Svc_1_0", configuration={"key": "a-secret-key", "old": "x"}, rate=3, rateUnit="Day")
        newer = [items[0], {"name": "new", "type": "number", "defaultValue": 4}]
        api.flavor("Svc", version="2.0", configurationItems=newer, dataTypeList=["ip", "domain"])
        await rescan(api.engine)
        assert (await api.admin.get("/api/alert")).json() == ["ObsoleteAnalyzers"]
        answer = await api.admin.post(f"/api/analyzer/{worker}/upgrade", json={"definitionId": "Svc_2_0"})
        assert answer.status_code == 200, answer.text
        moved = answer.json()
        assert (moved["id"], moved["name"], moved["version"], moved["workerDefinitionId"]) == (
            worker,
            "Svc_1_0",
            "2.0",
            "Svc_2_0",
        )
        assert (moved["rate"], moved["dataTypeList"]) == (3, ["ip", "domain"])
        assert moved["configuration"]["new"] == 4 and "old" not in moved["configuration"]
        api.bench.start_runner()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
        report = (await api.admin.get(f"/api/job/{job}/waitreport")).json()["report"]
        assert report["full"]["config"]["key"] == "REMOVED" and report["full"]["config"]["new"] == 4

    async def test_other_definitions_and_unknown_ones_are_refused(self, api: Any) -> None:
        api.flavor("Other")
        worker = await api.enable()
        for body, status in (
            ({"definitionId": "Other_1_0"}, 400),
            ({"definitionId": "None_1_0"}, 404),
            ({}, 400),
            ({"x": 1}, 400),
        ):
            assert (await api.admin.post(f"/api/analyzer/{worker}/upgrade", json=body)).status_code == status
