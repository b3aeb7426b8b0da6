"""The REST API: access first, then what it does, then what it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from misp_double import ROLE, MispDouble
from misp_harness import SERVICE_KEY, Connector, poller_of, settings_for

from misp_connector.access.service import Right, seed_key
from misp_connector.app import make_app
from misp_connector.claims.service import store_claim
from misp_connector.exporting import records
from misp_connector.instances.config import InstanceInput
from misp_connector.instances.service import create_instance
from misp_connector.receivers.service import set_default_receivers
from waggle.contracts.envelope import DataRef
from waggle.db import Scope
from waggle.ids import uuid7
from waggle.testing import ServiceDatabase
from waggle.web.access import public_routes, unguarded_routes

KEYS = {"reader": "r" * 43, "manager": "m" * 43}
NEW = {"name": "partner", "url": "https://misp.partner.example/", "key": "secret-misp-key"}


@pytest_asyncio.fixture
async def app(database: ServiceDatabase, tmp_path: Path) -> AsyncIterator[FastAPI]:
    (tmp_path / "feeds" / "osint").mkdir(parents=True)
    allow = ["127.0.0.0/8", "misp.partner.example"]
    settings = settings_for(database, tmp_path, outbound_allow=allow, feed_folders=[tmp_path / "feeds"])
    made = make_app(settings, bus=None)
    async with made.router.lifespan_context(made):
        async with made.state.runtime.database.begin(Scope()) as session:
            await set_default_receivers(session, organisations=["soc"], actor="test")
            await seed_key(session, name="reader", key=KEYS["reader"], rights=[Right.READ], actor="test")
            await seed_key(session, name="manager", key=KEYS["manager"], rights=list(Right), actor="test")
        yield made


def client_of(app: FastAPI, key: str | None = None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://connector", headers=headers)


@pytest_asyncio.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, KEYS["manager"]) as client:
        yield client


@pytest.fixture
def names_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """`*.example` resolves to a documentation address without asking anybody."""
    import socket

    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(".example"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.7", port))]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


ROUTES = [
    ("GET", "/api/instances", "reader"),
    ("POST", "/api/instances", "manager"),
    ("GET", "/api/instances/x", "reader"),
    ("PATCH", "/api/instances/x", "manager"),
    ("DELETE", "/api/instances/x", "manager"),
    ("POST", "/api/instances/x/enable", "manager"),
    ("POST", "/api/instances/x/disable", "manager"),
    ("POST", "/api/instances/x/test", "manager"),
    ("POST", "/api/instances/x/poll", "manager"),
    ("POST", "/api/poll", "manager"),
    ("GET", "/api/instances/x/events", "reader"),
    ("GET", "/api/instances/x/events/6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001", "reader"),
    ("GET", "/api/instances/x/exports", "reader"),
    ("GET", "/api/status", "reader"),
    ("GET", "/api/receivers", "reader"),
    ("PUT", "/api/receivers", "manager"),
    ("GET", "/api/queues", "reader"),
    ("GET", "/api/outbox", "reader"),
    ("GET", "/api/outbox/refused", "manager"),
    ("POST", "/api/outbox/refused/6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001/resend", "manager"),
    ("GET", "/api/queues/misp.commands/dead", "manager"),
    ("POST", "/api/queues/misp.commands/dead/6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001/resend", "manager"),
]


class TestAccess:
    def test_every_route_says_who_may_call_it(self, app: FastAPI) -> None:
        assert unguarded_routes(app) == []
        assert sorted(public_routes(app)) == ["GET /health", "GET /metrics"]

    def test_the_list_of_this_test_is_whole(self, app: FastAPI) -> None:
        shown = sum(len(methods) for path, methods in app.openapi()["paths"].items() if path.startswith("/api/"))
        assert shown == len(ROUTES) + 2  # and claims and mapping, which take a service key

    @pytest.mark.parametrize(("method", "path", "right"), ROUTES)
    async def test_anonymous_and_unknown_callers_are_refused(self, app: FastAPI, method: str, path: str, right: str) -> None:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEYS['manager']}"},
            {"Authorization": "Bearer "},
        ):
            async with client_of(app) as client:
                answer = await client.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (401, "AuthenticationError")

    @pytest.mark.parametrize(("method", "path", "right"), [route for route in ROUTES if route[2] == "manager"])
    async def test_a_reader_may_not_manage(self, app: FastAPI, method: str, path: str, right: str) -> None:
        async with client_of(app, KEYS["reader"]) as client:
            answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["type"]) == (403, "AuthorizationError")

    async def test_an_event_file_is_mapped_for_a_neighbour(self, app: FastAPI) -> None:
        event = {
            "uuid": "5f1f2a3b-1111-4222-8333-444455556666", "info": "Phishing wave", "date": "2026-03-01", "threat_level_id": "1",
            "Tag": [{"name": "tlp:green"}],
            "Attribute": [
                {"uuid": "5f1f2a3b-1111-4222-8333-444455556667", "type": "domain", "value": "evil.example", "to_ids": True}
            ],
        }  # fmt: skip
        for key in (None, KEYS["manager"]):
            async with client_of(app, key) as client:
                assert (await client.post("/api/mapping", json={"Event": event})).status_code == 401
        async with client_of(app, SERVICE_KEY) as client:
            for document in ({"Event": event}, event, {"response": [{"Event": event}]}):
                answer = (await client.post("/api/mapping", json=document)).json()
                assert (answer["alert"]["severity"], answer["alert"]["tlp"]) == (3, "GREEN")
                assert [(o["data_type"], o["data"], o["ioc"]) for o in answer["observables"]] == [
                    ("domain", "evil.example", True)
                ]
            for document in ({}, [], {"Event": {"info": "no uuid"}}, "x", None):
                assert (await client.post("/api/mapping", json=document)).status_code == 400

    async def test_claims_take_the_service_key_alone(self, app: FastAPI) -> None:
        runtime = app.state.runtime
        async with runtime.database.begin(Scope()) as session:
            sha256 = await store_claim(session, runtime.blobs, content=b"content")
        for key, status in ((None, 401), (KEYS["manager"], 401), (SERVICE_KEY, 200)):
            async with client_of(app, key) as client:
                answer = await client.get(f"/api/claims/{sha256}")
            assert answer.status_code == status
        assert answer.content == b"content"
        async with client_of(app, SERVICE_KEY) as client:
            assert (await client.get(f"/api/claims/{'0' * 64}")).status_code == 404
            assert (await client.get("/api/claims/..%2f..%2fetc")).status_code in (400, 404)
            assert (await client.get("/api/instances")).status_code == 401


@pytest.mark.usefixtures("names_resolve")
class TestInstances:
    async def test_an_instance_is_made_shown_and_its_key_is_not(self, api: httpx.AsyncClient, app: FastAPI) -> None:
        answer = await api.post("/api/instances", json={**NEW, "options": {"interval": "15m"}})
        assert answer.status_code == 201
        shown = answer.json()
        assert shown["has_key"] is True and shown["options"]["interval"] == 900
        assert shown["state"]["status"] == "PENDING"
        for text in (answer.text, (await api.get("/api/instances")).text, (await api.get("/api/instances/partner")).text):
            assert "secret-misp-key" not in text
        (row,) = await app.state.runtime.database.fetch("SELECT key_sealed FROM instances")
        assert b"secret-misp-key" not in row["key_sealed"]
        (entry,) = await app.state.runtime.database.fetch("SELECT details::text FROM audit WHERE kind = 'instance'")
        assert "secret-misp-key" not in entry["details"]

    async def test_a_name_is_taken_once_whatever_its_case(self, api: httpx.AsyncClient) -> None:
        assert (await api.post("/api/instances", json=NEW)).status_code == 201
        again = await api.post("/api/instances", json={**NEW, "name": "PARTNER"})
        assert (again.status_code, again.json()["type"]) == (400, "CreateError")

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "with blank"},
            {"name": ""},
            {"name": "x" * 65},
            {"url": "ftp://misp.example/"},
            {"url": "file:///etc/passwd"},
            {"url": "https://"},
            {"url": "https://user:pass@misp.partner.example/"},
            {"url": "http://[::1"},
            {"url": "http://misp.example:99999/"},
            {"key": None},
            {"key": "with\nnewline"},
            {"key": "ключ"},
            {"kind": "taxii"},
            {"purpose": "Everything"},
            {"enabled": "perhaps"},
            {"options": {"interval": 5}},
            {"options": {"interval": "soon"}},
            {"options": {"interval": True}},
            {"options": {"max-age": 5}},
            {"options": {"page_size": 0}},
            {"options": {"alert_tags": ["\u0000"]}},
            {"options": {"ca_file": "/etc/passwd"}},
            {"options": {"client_cert": "/etc/passwd"}},
            {"kind": "feed", "key": None, "url": "/etc"},
            {"kind": "feed"},
            {"unknown": 1},
        ],
        ids=str,
    )
    async def test_what_is_not_understood_is_refused_loudly(self, api: httpx.AsyncClient, change: dict[str, Any]) -> None:
        answer = await api.post("/api/instances", json={**NEW, **change})
        assert answer.status_code == 400, answer.text
        assert set(answer.json()) >= {"type", "message"}
        assert (await api.get("/api/instances")).json() == []

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
    async def test_a_body_that_is_no_object_is_refused(self, api: httpx.AsyncClient, body: bytes) -> None:
        answer = await api.post("/api/instances", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and set(answer.json()) >= {"type", "message"}

    @pytest.mark.parametrize(
        "url",
        [
            "http://169.254.169.254/",
            "http://10.0.0.5/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://2130706433.nowhere.invalid/",
        ],
    )
    async def test_inside_targets_are_refused_and_the_setting_is_named(self, api: httpx.AsyncClient, url: str) -> None:
        """Threat S09."""
        answer = await api.post("/api/instances", json={**NEW, "url": url})
        assert (answer.status_code, answer.json()["type"]) == (400, "OutboundRefused")

    async def test_options_change_one_by_one_and_null_is_the_default(self, api: httpx.AsyncClient) -> None:
        await api.post("/api/instances", json={**NEW, "options": {"interval": 60, "alert_tags": ["a"]}})
        answer = await api.patch("/api/instances/partner", json={"options": {"interval": None, "overlap": "5m"}})
        assert answer.status_code == 200
        options = answer.json()["options"]
        assert (options["interval"], options["overlap"], options["alert_tags"]) == (3600, 300, ["a"])
        assert answer.json()["version"] == 2

    async def test_a_stored_key_does_not_travel_to_another_host(self, api: httpx.AsyncClient) -> None:
        await api.post("/api/instances", json=NEW)
        moved = await api.patch("/api/instances/partner", json={"url": "https://elsewhere.example/"})
        assert moved.status_code == 400
        with_key = {"url": "https://misp.partner.example/new/", "options": {}}
        assert (await api.patch("/api/instances/partner", json=with_key)).status_code == 200

    async def test_a_change_on_an_old_version_is_refused(self, api: httpx.AsyncClient) -> None:
        await api.post("/api/instances", json=NEW)
        assert (await api.patch("/api/instances/partner", json={"enabled": False}, headers={"If-Match": "1"})).status_code == 200
        late = await api.patch("/api/instances/partner", json={"enabled": True}, headers={"If-Match": '"1"'})
        assert (late.status_code, late.json()["current"]) == (412, {"version": 2})
        assert (await api.patch("/api/instances/partner", json={}, headers={"If-Match": "x"})).status_code == 400

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"kind": "feed"},
            {"options": {"max-age": 1}},
            {"options": []},
            {"managed": "file"},
            {"trusted": True},
            {"version": 9},
        ],
    )
    async def test_what_may_not_change_is_refused(self, api: httpx.AsyncClient, change: dict[str, Any]) -> None:
        await api.post("/api/instances", json=NEW)
        assert (await api.patch("/api/instances/partner", json=change)).status_code == 400

    async def test_disable_enable_and_delete(self, api: httpx.AsyncClient, app: FastAPI) -> None:
        await api.post("/api/instances", json=NEW)
        assert (await api.post("/api/instances/partner/disable")).json()["state"]["status"] == "DISABLED"
        assert (await api.post("/api/instances/partner/poll")).status_code == 400
        assert (await api.post("/api/instances/partner/enable")).json()["enabled"] is True
        assert (await api.delete("/api/instances/partner")).status_code == 204
        assert (await api.get("/api/instances/partner")).status_code == 404
        rows = await app.state.runtime.database.fetch("SELECT action FROM audit WHERE kind = 'instance' ORDER BY id")
        assert [row["action"] for row in rows] == ["create", "update", "update", "delete"]

    @pytest.mark.parametrize("body", [{"since": -1}, {"since": "x"}, {"since": 1e400}, {"since": 2**60}, {"other": 1}])
    async def test_polls_are_asked_for_in_order(self, api: httpx.AsyncClient, body: dict[str, Any]) -> None:
        await api.post("/api/instances", json=NEW)
        assert (await api.post("/api/instances/partner/poll")).json() == {"instances": ["partner"]}
        assert (await api.post("/api/poll", json={"since": 0})).json() == {"instances": ["partner"]}
        content = json.dumps(body)
        refused = await api.post("/api/poll", content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == 400

    async def test_what_is_not_there_is_not_found(self, api: httpx.AsyncClient) -> None:
        for method, path, _ in ROUTES[2:9]:
            body = {"json": {}} if method == "PATCH" else {}
            assert (await api.request(method, path, **body)).status_code == 404


class TestFeedFolders:
    @pytest.mark.parametrize("form", ["{}", "file://{}"])
    async def test_a_folder_the_operator_gave_free_may_be_a_feed(self, api: httpx.AsyncClient, tmp_path: Path, form: str) -> None:
        folder = tmp_path / "feeds" / "osint"
        made = await api.post("/api/instances", json={"name": "f", "kind": "feed", "url": form.format(folder)})
        assert (made.status_code, made.json()["url"]) == (201, str(folder))

    async def test_no_other_folder_may(self, api: httpx.AsyncClient, tmp_path: Path) -> None:
        (tmp_path / "feeds" / "link").symlink_to("/etc")
        free = tmp_path / "feeds"
        for url in ("/etc", "file:///etc", f"{free}/../../..", f"{free}/link", "file://host/etc", "feeds", "", f"{free}x"):
            answer = await api.post("/api/instances", json={"name": "f", "kind": "feed", "url": url})
            assert (answer.status_code, answer.json()["type"]) == (400, "AttributeCheckingError"), url

    async def test_a_folder_that_is_no_longer_free_is_not_read(
        self, api: httpx.AsyncClient, app: FastAPI, database: ServiceDatabase, tmp_path: Path
    ) -> None:
        folder = tmp_path / "feeds" / "osint"
        (folder / "manifest.json").write_text("{}")
        await api.post("/api/instances", json={"name": "f", "kind": "feed", "url": str(folder)})
        connector = Connector(app.state.runtime, poller_of(app.state.runtime), database)
        await connector.poll("f")
        assert (await connector.state("f"))["last_error"] is None
        connector.poller.feed_folders = ()
        connector.poller._sources.clear()
        await connector.poll("f")
        assert "MISP_CONNECTOR_FEED_FOLDERS" in (await connector.state("f"))["last_error"]


class TestExports:
    async def test_exports_are_shown_with_what_became_of_them(self, api: httpx.AsyncClient, app: FastAPI) -> None:
        runtime = app.state.runtime
        body = {"name": "partner", "url": "https://misp.example/", "key": "k", "enabled": False}
        async with runtime.database.begin(Scope()) as session:
            data = InstanceInput.model_validate(body)
            made = await create_instance(session, data=data, secrets=runtime.secrets, actor="test", trusted=True)
            reference = DataRef.model_validate({"sha256": "0" * 64, "size": 1, "url": "http://hive/x"})
            for number, organisation in enumerate(("soc", "other")):
                await records.request(
                    session, instance_id=made, organisation=organisation, case_id="~1", case_ref=reference, publish=None,
                    message_id=uuid7(), at=number, by="ann",
                )  # fmt: skip
        shown = (await api.get("/api/instances/partner/exports")).json()
        assert [(one["organisation"], one["state"], one["requested_by"], one["event_uuid"]) for one in shown] == [
            ("other", "waiting", "ann", None), ("soc", "waiting", "ann", None),
        ]  # fmt: skip
        assert (await api.get("/api/instances/partner/exports", params={"state": "done"})).json() == []
        assert (await api.get("/api/instances/partner/exports", params={"state": "odd"})).status_code == 400
        assert (await api.get("/api/instances/nobody/exports")).status_code == 404


class TestReceivers:
    async def test_the_list_is_replaced_as_a_whole(self, api: httpx.AsyncClient) -> None:
        put = await api.put("/api/receivers", json={"organisations": ["north", "south", "north"]})
        assert put.json() == (await api.get("/api/receivers")).json() == {"organisations": ["north", "south"]}

    @pytest.mark.parametrize("body", [{}, {"organisations": "soc"}, {"organisations": [""]}, {"organisations": [1]}, {"x": []}])
    async def test_what_is_no_list_of_names_is_refused(self, api: httpx.AsyncClient, body: Any) -> None:
        assert (await api.put("/api/receivers", json=body)).status_code == 400


class TestWithAServer:
    async def test_test_says_version_role_and_missing_permissions(self, api: httpx.AsyncClient) -> None:
        with MispDouble(role={**ROLE, "perm_modify": False}) as misp:
            await api.post("/api/instances", json={"name": "partner", "url": misp.url, "key": misp.key})
            answer = (await api.post("/api/instances/partner/test")).json()
        assert answer["ok"] and answer["server_version"] == "2.5.1"
        assert answer["role"]["name"] == "User" and answer["missing_permissions"] == ["perm_modify"]

    async def test_test_says_what_is_wrong(self, api: httpx.AsyncClient) -> None:
        with MispDouble() as misp:
            await api.post("/api/instances", json={"name": "partner", "url": misp.url, "key": "wrong"})
            answer = await api.post("/api/instances/partner/test")
        assert answer.status_code == 200 and answer.json()["ok"] is False
        assert "Authentication failed" in answer.json()["error"]

    async def test_a_redirect_into_the_inside_is_not_followed(self, api: httpx.AsyncClient) -> None:
        """Threat S09: the guard checks every hop."""
        from misp_double import Fault

        with MispDouble() as misp:
            misp.faults = [Fault("redirect", location="http://169.254.169.254/latest/meta-data")]
            await api.post("/api/instances", json={"name": "partner", "url": misp.url, "key": misp.key})
            answer = (await api.post("/api/instances/partner/test")).json()
        assert answer["ok"] is False and "metadata" in answer["error"]

    async def test_events_and_attributes_are_shown_with_what_became_of_them(
        self, api: httpx.AsyncClient, app: FastAPI, database: ServiceDatabase
    ) -> None:
        connector = Connector(app.state.runtime, poller_of(app.state.runtime), database)
        with MispDouble() as misp:
            note = {"type": "text", "value": "background", "to_ids": False}
            identity = misp.state.add({"info": "x", "Attribute": [{"type": "domain", "value": "a.example"}, note]})
            await api.post("/api/instances", json={"name": "partner", "url": misp.url, "key": misp.key})
            await connector.poll()
        (event,) = (await api.get("/api/instances/partner/events")).json()
        assert (event["uuid"], event["state"]) == (identity, "sent")
        assert (await api.get("/api/instances/partner/events?state=failed")).json() == []
        shown = (await api.get(f"/api/instances/partner/events/{identity}")).json()
        assert [(a["outputs"], a["reason"]) for a in shown["attributes"]] == [
            (["domain:a.example"], None),
            ([], "context, in the description"),
        ]
        assert (await api.get("/api/instances/partner/events?state=odd")).status_code == 400
        assert (await api.get("/api/instances/partner/events?limit=0")).status_code == 400
        assert (await api.get("/api/instances/partner/events/no-uuid")).status_code == 400

    async def test_the_status_is_a_warning_when_some_fail(
        self, api: httpx.AsyncClient, app: FastAPI, database: ServiceDatabase
    ) -> None:
        connector = Connector(app.state.runtime, poller_of(app.state.runtime), database)
        assert (await api.get("/api/status")).json() == {"enabled": False, "status": "OK", "servers": []}
        with MispDouble() as misp:
            await api.post("/api/instances", json={"name": "good", "url": misp.url, "key": misp.key})
            await api.post("/api/instances", json={"name": "bad", "url": misp.url, "key": "wrong"})
            await connector.poll("good")
            await connector.poll("bad")
        status = (await api.get("/api/status")).json()
        assert status["status"] == "WARNING"
        assert [(s["name"], s["status"]) for s in status["servers"]] == [("bad", "ERROR"), ("good", "OK")]


class TestOperation:
    async def test_health_needs_no_key(self, app: FastAPI) -> None:
        async with client_of(app) as client:
            assert (await client.get("/health")).json()["checks"] == {"database": "ok", "bus": "ok", "work": "ok"}

    async def test_without_a_bus_the_outbox_is_shown_and_no_queue(self, api: httpx.AsyncClient) -> None:
        assert (await api.get("/api/queues")).status_code == 503
        assert (await api.get("/api/outbox")).json() == {"waiting": 0, "refused": 0, "oldest_seconds": 0.0}
