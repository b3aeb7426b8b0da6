"""Definitions, enabling with a checked configuration, secrets, shared configuration."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from cortex.definitions.service import list_definitions, rescan

ITEMS = [
    {"name": "key", "description": "API key", "type": "string", "multi": False, "required": True},
    {"name": "cache.duration", "description": "", "type": "number", "required": False, "defaultValue": "30"},
    {"name": "hosts", "description": "", "type": "string", "multi": True},
    {"name": "verify", "description": "", "type": "boolean", "defaultValue": True},
]


@pytest.fixture
def service_flavor(api: Any) -> None:
    api.flavor(
        "Service", baseConfig="Svc", config={"service": "query", "check_tlp": True, "max_tlp": 1}, configurationItems=ITEMS
    )


class TestDefinitions:
    async def test_are_shown_in_the_contracts_form(self, api: Any, service_flavor: None) -> None:
        await rescan(api.engine)
        shown = {d["id"]: d for d in (await api.admin.get("/api/analyzerdefinition")).json()}
        assert set(shown) == {"Echo_1_0", "Service_1_0"}
        found = shown["Service_1_0"]
        assert found["command"] == "Service.py" and found["baseConfig"] == "Svc" and found["dockerImage"] is None
        assert "config" not in found
        expected = {
            "name": "cache.duration",
            "description": "",
            "type": "number",
            "multi": False,
            "required": False,
            "defaultValue": "30",
        }
        assert found["configurationItems"][1] == expected

    async def test_scan_on_request_finds_new_ones(self, api: Any) -> None:
        api.flavor("Later")
        assert (await api.admin.post("/api/analyzerdefinition/scan")).status_code == 204
        names = [d["name"] for d in (await api.admin.get("/api/analyzerdefinition")).json()]
        assert names == ["Echo", "Later"]

    @pytest.mark.parametrize(
        "content, problem",
        [
            (b"{", "is not JSON"),
            (b"7", "holds neither a JSON object"),
            (b"{}", "these fields are missing or no text: name, version"),
            (b"[" * 100_000, "is not JSON"),
            (b"\xff\xfe", "is not JSON"),
        ],
    )
    async def test_a_flawed_file_is_a_row_that_says_why_and_the_others_go_on(
        self, api: Any, content: bytes, problem: str
    ) -> None:
        (api.bench.folder / "analyzers" / "Echo" / "broken.json").write_bytes(content)
        await rescan(api.engine)
        async with api.engine.database.system() as session:
            found = {d.id: d.readable_error for d in await list_definitions(session, kind="analyzer", flawed=True)}
        assert found.pop("Echo_1_0") is None
        ((_, error),) = found.items()
        assert error is not None and problem in error
        assert [d["id"] for d in (await api.admin.get("/api/analyzerdefinition")).json()] == ["Echo_1_0"]

    @pytest.mark.parametrize("command", ["../../../bin/sh", "/bin/sh", "Echo/missing.py", "python3 Echo/Echo.py", None])
    async def test_a_command_that_is_not_there_or_outside_cannot_be_enabled(self, api: Any, command: str | None) -> None:
        api.flavor("Odd", command=command)
        await rescan(api.engine)
        answer = await api.admin.post("/api/organization/analyzer/Odd_1_0", json={"name": "Odd_1_0"})
        assert answer.status_code == 400
        assert "Odd_1_0 cannot be enabled" in answer.json()["message"]

    async def test_odd_texts_in_a_flavor_do_not_break_the_scan(self, api: Any) -> None:
        raw = {"name": "Odd", "version": "1.0", "description": "nul \0 and \ud800", "author": "", "url": "", "license": ""}
        raw |= {
            "config": {"big": 10**30, "nan": float("nan")},
            "command": "Echo/Echo.py",
            "configurationItems": "none",
            "dataTypeList": 3,
        }
        import json

        (api.bench.folder / "analyzers" / "Echo" / "odd.json").write_text(json.dumps(raw))
        await rescan(api.engine)
        assert "Odd_1_0" in [d["id"] for d in (await api.admin.get("/api/analyzerdefinition")).json()]

    async def test_one_that_goes_leaves_its_worker_and_a_notice(self, api: Any) -> None:
        await api.enable()
        (api.bench.folder / "analyzers" / "Echo" / "Echo.json").unlink()
        await rescan(api.engine)
        assert (await api.admin.get("/api/analyzerdefinition")).json() == []
        assert len((await api.admin.get("/api/analyzer")).json()) == 1
        assert (await api.admin.get("/api/alert")).json() == ["ObsoleteAnalyzers"]


class TestEnabling:
    async def test_worker_has_the_contracts_id_and_form(self, api: Any) -> None:
        await rescan(api.engine)
        body = {
            "name": "Echo_1_0",
            "configuration": {"check_tlp": True, "max_tlp": 2},
            "rate": 5,
            "rateUnit": "Day",
            "jobCache": 3,
        }
        answer = await api.admin.post("/api/organization/analyzer/Echo_1_0", json=body)
        assert answer.status_code == 201
        worker = answer.json()
        assert worker["id"] == hashlib.md5(b"lab_Echo_1_0_analyzer").hexdigest()
        assert worker["_type"] == "worker" and worker["_parent"] == "lab" and worker["type"] == "analyzer"
        assert worker["workerDefinitionId"] == worker["analyzerDefinitionId"] == "Echo_1_0"
        assert (worker["maxTlp"], worker["rate"], worker["rateUnit"], worker["jobCache"]) == (2, 5, "Day", 3)
        assert "configuration" not in worker and "maxPap" not in worker and "jobTimeout" not in worker
        again = await api.admin.post("/api/organization/analyzer/Echo_1_0", json=body)
        assert again.status_code == 400
        assert again.json() == {"type": "ConflictError", "message": "worker Echo_1_0 already exists", "object": {}}

    async def test_every_mistake_of_the_configuration_is_named(self, api: Any, service_flavor: None) -> None:
        await rescan(api.engine)
        body = {"name": "S", "configuration": {"unknown": 1, "hosts": "one", "verify": "yes", "max_tlp": 9}}
        answer = await api.admin.post("/api/organization/analyzer/Service_1_0", json=body)
        assert answer.status_code == 400 and answer.json()["type"] == "AttributeCheckingError"
        errors = {(e["type"], e["name"]) for e in answer.json()["errors"]}
        assert errors == {
            ("UnknownAttributeError", "unknown"), ("MissingAttributeError", "key"), ("InvalidFormatAttributeError", "hosts"),
            ("InvalidFormatAttributeError", "verify"), ("InvalidFormatAttributeError", "max_tlp"),
        }  # fmt: skip

    async def test_defaults_are_coerced_and_unset_items_are_null(self, api: Any, service_flavor: None) -> None:
        worker = await api.enable("Service_1_0", configuration={"key": "k"})
        config = (await api.admin.get(f"/api/analyzer/{worker}")).json()["configuration"]
        assert (config["cache.duration"], config["hosts"], config["verify"], config["proxy_http"]) == (30, [], True, None)
        assert config["auto_extract_artifacts"] is False

    async def test_a_null_does_not_switch_off_the_flavors_check(self, api: Any, service_flavor: None) -> None:
        worker = await api.enable("Service_1_0", configuration={"key": "k", "check_tlp": None})
        assert (await api.admin.get(f"/api/analyzer/{worker}")).json()["maxTlp"] == 1

    async def test_secrets_are_sealed_masked_and_kept_by_a_form_that_cannot_see_them(
        self, api: Any, service_flavor: None
    ) -> None:
        secret = "sk-very-secret-0123456789"
        worker = await api.enable("Service_1_0", configuration={"key": secret, "proxy_http": "http://u:pw123456@proxy:1"})
        config = (await api.admin.get(f"/api/analyzer/{worker}")).json()["configuration"]
        assert config["key"] == "********" and config["proxy_http"] == "http://********@proxy:1"
        assert "configuration" not in (await api.reader.get(f"/api/analyzer/{worker}")).json()
        stored = await api.bench.owner.fetchrow("SELECT * FROM workers")
        assert secret.encode() not in stored["config_sealed"] and secret not in str(dict(stored))
        changed = await api.admin.patch(f"/api/analyzer/{worker}", json={"configuration": {**config, "verify": False}})
        assert changed.status_code == 200, changed.text
        sealed = await api.bench.owner.fetchval("SELECT config_sealed FROM workers")
        opened = orjson.loads(api.engine.box.open(sealed, context=f"worker:{worker}"))
        assert (opened["key"], opened["verify"], opened["proxy_http"]) == (secret, False, "http://u:pw123456@proxy:1")
        audit = str(await api.bench.owner.fetch("SELECT details FROM audit"))
        assert secret not in audit

    async def test_shared_configuration_fills_what_is_missing(self, api: Any, service_flavor: None) -> None:
        await rescan(api.engine)
        shown = (await api.admin.get("/api/analyzerconfig")).json()
        assert [c["name"] for c in shown] == ["global", "Svc"] and shown[1]["workers"] == ["Service"]
        body = {"config": {"key": "shared-key", "nonsense": 1, "hosts": None}}
        assert (await api.admin.patch("/api/analyzerconfig/Svc", json=body)).json()["config"] == {"key": "********"}
        wrong = await api.admin.patch("/api/analyzerconfig/Svc", json={"config": {"key": 1}})
        assert wrong.status_code == 400
        assert (
            await api.admin.patch("/api/analyzerconfig/global", json={"config": {"max_tlp": 0, "check_tlp": True}})
        ).status_code == 200
        worker = await api.enable("Service_1_0")
        sealed = await api.bench.owner.fetchval("SELECT config_sealed FROM workers")
        assert orjson.loads(api.engine.box.open(sealed, context=f"worker:{worker}"))["key"] == "shared-key"
        assert (await api.admin.get(f"/api/analyzer/{worker}")).json()["maxTlp"] == 0
        assert (await api.admin.get("/api/analyzerconfig/unknown")).status_code == 404
        assert (await api.admin.patch("/api/analyzerconfig/Svc", json={})).status_code == 400

    async def test_only_the_documented_fields_change(self, api: Any) -> None:
        """threats S24: every column of the table is refused unless the contract names it."""
        worker = await api.enable()
        columns = await api.bench.owner.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'workers'")
        for name in [c["column_name"] for c in columns]:
            if name in ("name", "rate"):
                continue
            answer = await api.admin.patch(f"/api/analyzer/{worker}", json={name: "x"})
            assert answer.status_code == 400, name
        changed = await api.admin.patch(f"/api/analyzer/{worker}", json={"rate": 3, "rateUnit": "Hour", "name": "Renamed"})
        assert (changed.json()["id"], changed.json()["name"], changed.json()["rate"]) == (worker, "Renamed", 3)
        removed = await api.admin.patch(f"/api/analyzer/{worker}", json={"rate": [], "rateUnit": []})
        assert "rate" not in removed.json()

    async def test_disabling_removes_the_worker_and_its_configuration(self, api: Any) -> None:
        worker = await api.enable()
        assert (await api.admin.delete(f"/api/analyzer/{worker}")).status_code == 204
        assert (await api.admin.get(f"/api/analyzer/{worker}")).status_code == 404
        assert await api.enable() == worker

    async def test_responders_are_twins_without_the_analyzer_fields(self, api: Any) -> None:
        api.flavor("Reply", kind="responder", dataTypeList=["thehive:case"])
        worker = await api.enable("Reply_1_0", kind="responder")
        found = (
            await api.admin.post(
                "/api/responder/_search", json={"query": {"_field": "dataTypeList", "_value": "thehive:case"}, "range": "all"}
            )
        ).json()
        assert [w["id"] for w in found] == [worker] and "analyzerDefinitionId" not in found[0]
        assert (await api.admin.get(f"/api/analyzer/{worker}")).status_code == 404


class TestLists:
    async def test_search_sort_and_pages(self, api: Any) -> None:
        for name in ("B", "A", "C"):
            api.flavor(name, dataTypeList=["ip"] if name != "C" else ["domain"])
        for name in ("B_1_0", "A_1_0", "C_1_0"):
            await api.enable(name)
        listed = await api.reader.get("/api/analyzer?range=0-2")
        assert [w["name"] for w in listed.json()] == ["A_1_0", "B_1_0"] and listed.headers["X-Total"] == "3"
        backwards = await api.reader.post("/api/analyzer/_search?range=all&sort=-name")
        assert [w["name"] for w in backwards.json()] == ["C_1_0", "B_1_0", "A_1_0"]
        assert [w["name"] for w in (await api.reader.get("/api/analyzer/type/domain")).json()] == ["C_1_0"]
        in_body = await api.reader.post(
            "/api/analyzer/_search", json={"query": {"_field": "name", "_value": "B_1_0"}, "range": "0-1"}
        )
        assert [w["name"] for w in in_body.json()] == ["B_1_0"]
        for query, names in (
            ({"_parent": {"_type": "organization", "_query": {"name": "lab"}}}, ["A_1_0", "B_1_0", "C_1_0"]),
            ({"_parent": {"_type": "organization", "_id": "elsewhere"}}, []),
            ({"_like": {"_field": "dataTypeList", "_value": "dom*"}}, ["C_1_0"]),
            ({"_in": {"_field": "dataTypeList", "_values": ["domain", "url"]}}, ["C_1_0"]),
            ({"_not": {"dataTypeList": "ip"}}, ["C_1_0"]),
            ({"_string": "name:(A_1_0 OR C_1_0)"}, ["A_1_0", "C_1_0"]),
        ):
            found = await api.reader.post("/api/analyzer/_search?range=all", json={"query": query})
            assert [w["name"] for w in found.json()] == names, query

    async def test_a_query_that_is_none_is_400(self, api: Any) -> None:
        cases: list[Any] = [
            {"a": 1, "b": 2}, {"_and": 1}, {"_in": {"_field": "name"}}, {"unknown": "x"}, {"_frobnicate": 1}, [], "x",
            {"_not": 3}, {"_between": {"_field": "createdAt", "_from": None}},
            {"_like": {"_field": "name"}},
            {"_field": {"a": 1}, "_value": 1}, {"_contains": ["x"]}, {"_string": 'name:"'},
        ]  # fmt: skip
        for query in cases:
            answer = await api.reader.post("/api/analyzer/_search", json={"query": query})
            assert answer.status_code == 400, answer.text
            assert answer.json()["type"] in ("SearchError", "BadRequest")

    async def test_deeply_nested_query_is_400(self, api: Any) -> None:
        query: Any = {}
        for _ in range(200):
            query = {"_not": query}
        assert (await api.reader.post("/api/analyzer/_search", json={"query": query})).status_code == 400
