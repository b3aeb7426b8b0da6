"""A case of a MISP event file: what is no event, an installation without a connector, and what the connector answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from test_analysis import RAISED

EVENT = {"Event": {"uuid": "5f1f2a3b-1111-4222-8333-444455556666", "info": "Phishing wave", "Attribute": []}}
PATH = "/api/v1/connector/misp/case/import"


async def sent(world: Any, content: bytes, body: dict[str, Any] | None = None, client: Any = None) -> Any:
    return await (client or world.soc).post(PATH, data={"_json": json.dumps(body or {})}, files={"file": ("event.json", content)})


@pytest.fixture
async def connector(world: Any) -> AsyncIterator[list[Any]]:
    """Something in the connector's place: takes down what it is asked, and answers with what the list's first entry says."""
    asked: list[Any] = []

    async def answer(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer agreed":
            return JSONResponse({"type": "AuthenticationError", "message": "x"}, 401)
        asked.append(await request.json())
        if asked[0] == "broken":
            return JSONResponse({"half": 1})
        if asked[0] == "refusing":
            return JSONResponse({"type": "BadRequest", "message": "the event has no valid uuid"}, 400)
        return JSONResponse(RAISED | {"procedures": [{"pattern_id": "T1566", "tactic": "initial-access"}]})

    app = Starlette(routes=[Route("/api/mapping", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    world.hive.settings.misp_connector_url = url
    world.hive.settings.neighbour_keys = {url: SecretStr("agreed")}
    yield asked
    server.should_exit = server.force_exit = True
    await serving


async def test_access(world: Any) -> None:
    for client, code in ((world.anonymous, 401), (world.reader, 403)):
        assert (await sent(world, json.dumps(EVENT).encode(), client=client)).status_code == code


@pytest.mark.parametrize(
    "content", [b"{}", b"", b"[]", b"no json", b'{"Event": {"info": 1}}', b'{"response": []}', b"\x00\xff", b"[" * 5000]
)
async def test_what_is_no_event(world: Any, content: bytes) -> None:
    answer = await sent(world, content)
    assert (answer.status_code, answer.json()) == (
        400, {"type": "BadRequest", "message": "Could not convert json to MISP event"},
    )  # fmt: skip


async def test_without_a_connector(world: Any) -> None:
    answer = await sent(world, json.dumps(EVENT).encode())
    assert (answer.status_code, "HIVE_MISP_CONNECTOR_URL" in answer.json()["message"]) == (503, True)


async def test_becomes_a_case_with_all_it_holds(world: Any, connector: list[Any]) -> None:
    answer = await sent(world, json.dumps(EVENT).encode(), {"assignee": "analyst@soc.example", "tasks": [{"title": "Read it"}]})
    assert answer.status_code == 201, answer.text
    case = answer.json()
    assert connector == [EVENT]
    assert (case["title"], case["tlpLabel"], case["tags"], case["startDate"], case["assignee"]) == (
        "Event", "GREEN", ["tlp:green"], 1000, "analyst@soc.example",
    )  # fmt: skip
    found = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "observables"})
    assert [(o["dataType"], o["data"], o["ioc"]) for o in found] == [("domain", "evil.example", True), ("other", "svc", False)]
    tasks = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    assert [one["title"] for one in tasks] == ["Read it"]
    assert await world.query({"_name": "listCase"}, client=world.other) == []


@pytest.mark.parametrize(("mood", "status"), [("broken", 503), ("refusing", 400)])
async def test_answers_of_the_connector_that_are_no_event(world: Any, connector: list[Any], mood: str, status: int) -> None:
    connector.append(mood)
    assert (await sent(world, json.dumps(EVENT).encode())).status_code == status
    assert await world.query({"_name": "listCase"}) == []


async def test_a_connector_that_is_away(world: Any) -> None:
    world.hive.settings.misp_connector_url = "http://127.0.0.1:9"
    assert (await sent(world, json.dumps(EVENT).encode())).status_code == 503


async def test_a_template_that_does_not_exist(world: Any, connector: list[Any]) -> None:
    assert (await sent(world, json.dumps(EVENT).encode(), {"caseTemplate": "none"})).status_code == 404
