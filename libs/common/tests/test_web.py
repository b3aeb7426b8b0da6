"""The HTTP layer: error shapes, body limits, ids, access marks, lenient reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict

from waggle.errors import NotFound
from waggle.web import create_app
from waggle.web.access import Public, public_routes, unguarded_routes
from waggle.web.fields import read_fields
from waggle.web.paging import Page, parse_range

LIMIT = 1000


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    size: int = 0


@asynccontextmanager
async def no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


def make_app() -> FastAPI:
    app = create_app(title="t", version="1", lifespan=no_lifespan, max_json=LIMIT, max_attachment=LIMIT)

    @app.post("/things", dependencies=[Public()])
    async def create(thing: Thing) -> dict[str, Any]:
        return thing.model_dump()

    @app.post("/fields", dependencies=[Public()])
    async def fields(request: Request) -> dict[str, Any]:
        async with read_fields(request) as found:
            return {"values": found.values, "files": {k: [f.filename for f in v] for k, v in found.files.items()}}

    @app.get("/missing", dependencies=[Public()])
    async def missing() -> None:
        raise NotFound("thing 1 not found")

    @app.get("/broken", dependencies=[Public()])
    async def broken() -> None:
        raise RuntimeError("a secret detail")

    @app.get("/withdrawn", dependencies=[Public()])
    async def withdrawn() -> None:
        raise asyncpg.InsufficientPrivilegeError('new row violates row-level security policy for table "observables"')

    @app.get("/unguarded")
    async def unguarded() -> None:
        """Has no access mark."""

    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


class TestErrors:
    async def test_a_domain_error_keeps_its_status_type_and_message(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/missing")
        assert (answer.status_code, answer.json()) == (404, {"type": "NotFoundError", "message": "thing 1 not found"})

    async def test_an_unknown_route(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/nowhere")
        assert (answer.status_code, answer.json()["type"]) == (404, "NotFound")

    async def test_an_unexpected_failure_says_nothing_of_its_reason(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/broken")
        assert answer.status_code == 500
        assert answer.json()["type"] == "InternalError"
        assert "secret" not in answer.text

    async def test_a_right_withdrawn_before_the_write_is_said(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/withdrawn")
        assert (answer.status_code, answer.json()["type"]) == (403, "AuthorizationError")

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({}, "MissingAttributeError"),
            ({"name": 1}, "InvalidFormatAttributeError"),
            ({"name": "a", "size": False}, "InvalidFormatAttributeError"),
            ({"name": "a", "owner": "b"}, "UnknownAttributeError"),
        ],
    )
    async def test_fields_are_named(self, client: httpx.AsyncClient, body: dict[str, Any], kind: str) -> None:
        answer = await client.post("/things", json=body)
        assert answer.status_code == 400
        assert answer.json()["type"] == "AttributeCheckingError"
        assert answer.json()["errors"][0]["type"] == kind

    @pytest.mark.parametrize("raw", [b"{", b"", b"\xff", b"[" * 900])
    async def test_rubbish_is_refused(self, client: httpx.AsyncClient, raw: bytes) -> None:
        answer = await client.post("/things", content=raw, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert {"type", "message"} <= answer.json().keys()


class TestLimits:
    async def test_a_body_that_announces_too_much_is_refused_unread(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/things", content=b"x" * (LIMIT + 1))
        assert answer.status_code == 413
        assert answer.json()["type"] == "BadRequest"

    async def test_a_stream_is_cut_where_the_limit_is(self, client: httpx.AsyncClient) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 100
                yield b"x" * 100

        answer = await client.post("/things", content=endless(), headers={"content-type": "application/json"})
        assert answer.status_code == 413


class TestRequestIds:
    async def test_the_callers_id_is_kept(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/health", headers={"X-Request-ID": "abc"})).headers["x-request-id"] == "abc"

    async def test_an_unprintable_id_is_replaced(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/health", headers={b"X-Request-ID": b"a\tb"})
        assert answer.headers["x-request-id"] != "a\tb"

    async def test_security_headers_are_on_every_answer(self, client: httpx.AsyncClient) -> None:
        headers = (await client.get("/broken")).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in headers["content-security-policy"]


class TestAccessMarks:
    def test_a_route_without_a_mark_is_found(self) -> None:
        app = make_app()
        assert unguarded_routes(app) == ["['GET'] /unguarded"]
        assert "POST /things" in public_routes(app)

    def test_routes_of_included_routers_are_walked_too(self) -> None:
        app, outer, inner = make_app(), APIRouter(prefix="/outer"), APIRouter(prefix="/inner")

        @inner.get("/open", dependencies=[Public()])
        async def in_a_router() -> None:
            """Has a mark."""

        @inner.get("/forgotten")
        async def forgotten() -> None:
            """Has none."""

        outer.include_router(inner)
        app.include_router(outer)
        assert "['GET'] /outer/inner/forgotten" in unguarded_routes(app)
        assert "GET /outer/inner/open" in public_routes(app)


class TestLenientReading:
    async def test_json_form_and_query_are_interchangeable_and_the_query_wins(self, client: httpx.AsyncClient) -> None:
        as_json = await client.post("/fields?tlp=3", json={"tlp": 1, "data": "x"})
        as_form = await client.post("/fields?tlp=3", data={"tlp": "1", "data": "x"})
        assert as_json.json()["values"] == as_form.json()["values"] == {"tlp": "3", "data": "x"}

    async def test_multipart_with_json_part_and_file(self, client: httpx.AsyncClient) -> None:
        files = {"data": ("mail.eml", b"abc"), "_json": ("_json", b'{"dataType": "file", "data": null}')}
        answer = await client.post("/fields", files=files)
        assert answer.json() == {"values": {"dataType": "file"}, "files": {"data": ["mail.eml"]}}

    async def test_without_a_content_type_only_the_query_counts(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/fields?range=all", content=b"{}")).json()["values"] == {"range": "all"}

    @pytest.mark.parametrize("body", [b"[]", b"1", b"{", b'"x"'])
    async def test_a_body_that_is_no_object_is_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        answer = await client.post("/fields", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400


class TestRange:
    @pytest.mark.parametrize(
        ("text", "page"),
        [
            (None, Page(0, 10)),
            ("0-1", Page(0, 1)),
            ("20-50", Page(20, 30)),
            ("all", Page(0, None)),
            ("5-5", Page(5, 10)),
            ("x", Page(0, 10)),
        ],
    )
    def test_range(self, text: str | None, page: Page) -> None:
        assert parse_range(text) == page
