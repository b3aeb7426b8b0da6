"""Catalogues of techniques: made by administrators, filled from ATT&CK bundles."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from waggle.security.guard import OutboundGuard


def technique(number: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "attack-pattern", "name": f"Technique {number}", "description": "d",
        "external_references": [
            {"source_name": "capec", "external_id": "CAPEC-1"},
            {"source_name": "mitre-mobile-attack", "external_id": number, "url": f"https://attack.example/{number}"},
        ],
        "kill_chain_phases": [{"kill_chain_name": "mitre-mobile-attack", "phase_name": "initial-access"}], **more,
    }  # fmt: skip


BUNDLE = {"type": "bundle", "objects": [technique("T9001"), technique("T9001.001"), {"type": "x-mitre-tactic", "name": "i"}]}


async def imported(world: Any, bundle: Any, *, catalog: str = "mobile") -> Any:
    content = bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode()
    return await world.admin.post(
        "/api/v1/pattern/import/attack",
        data={"_json": json.dumps({"catalog": catalog})},
        files={"file": ("attack.json", content)},
    )


@pytest.fixture
async def mobile(world: Any) -> dict[str, Any]:
    answer = await world.admin.post("/api/v1/catalog", json={"name": "mobile", "description": "Phones", "variant": "mobile"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_only_administrators_change_catalogues(world: Any, mobile: dict[str, Any]) -> None:
    for client, code in ((world.anonymous, 401), (world.soc, 403), (world.reader, 403)):
        assert (await client.post("/api/v1/catalog", json={"name": "x"})).status_code == code
        assert (await client.patch("/api/v1/catalog/mobile", json={"name": "x"})).status_code == code
        assert (await client.delete("/api/v1/catalog/mobile")).status_code == code
        assert (await client.post("/api/v1/pattern/import/attack", json={"catalog": "mobile"})).status_code == code
        assert (await client.delete("/api/v1/pattern/T1059")).status_code == code
    assert (await world.reader.get("/api/v1/catalog/mobile")).json() == mobile


async def test_the_second_wall(world: Any) -> None:
    scope = world.platform("soc").scope()
    async with world.hive.database.begin(scope) as session:
        from sqlalchemy import text

        for table in ("patterns", "pattern_catalogs"):
            assert (await session.execute(text(f"DELETE FROM {table}"))).rowcount == 0
            assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() > 0


async def test_a_bundle_is_imported_and_renewed(world: Any, mobile: dict[str, Any]) -> None:
    answer = await imported(world, BUNDLE)
    assert (answer.status_code, answer.json()) == (201, {"imported": 2, "errors": []})
    steps = [{"_name": "getCatalog", "idOrName": "mobile"}, {"_name": "patterns"}]
    found = await world.query(*steps)
    assert [(one["patternId"], one["tactics"], one["url"]) for one in found] == [
        ("T9001", ["initial-access"], "https://attack.example/T9001"),
        ("T9001.001", ["initial-access"], "https://attack.example/T9001.001"),
    ]
    renewed = {"objects": [technique("T9001", name="New name", revoked=True)]}
    assert (await imported(world, renewed, catalog=mobile["_id"])).status_code == 201
    assert [one["name"] for one in await world.query(*steps)] == ["New name", "Technique T9001.001"]
    case = await world.case()
    used = await world.soc.post(f"/api/v1/case/{case['_id']}/procedure", json={"patternId": "T9001.001", "occurDate": 1})
    assert used.status_code == 201
    assert (await world.admin.delete("/api/v1/pattern/T9001.001")).status_code == 400
    assert (await world.admin.delete("/api/v1/catalog/mobile")).status_code == 400
    assert (await world.soc.delete(f"/api/v1/procedure/{used.json()['_id']}")).status_code == 204
    assert (await world.admin.delete("/api/v1/pattern/T9001.001")).status_code == 204
    assert (await world.admin.delete("/api/v1/catalog/mobile")).status_code == 204
    assert (await world.soc.get("/api/v1/pattern/T9001")).status_code == 404


async def test_what_is_wrong_in_a_bundle_is_said(world: Any, mobile: dict[str, Any]) -> None:
    wrong = [
        technique("T1059"), technique("T9002", name=""), {"type": "attack-pattern", "name": "Nameless"}, technique("T9003\0"),
        technique("T9004"),
    ]  # fmt: skip
    answer = await imported(world, {"objects": wrong})
    assert (answer.status_code, answer.json()["imported"]) == (207, 1)
    assert {(one["pattern"], one["error"]) for one in answer.json()["errors"]} == {
        ("", "1 fields are wrong"), ("Nameless", "it has no external id such as T1059"), ("T1059", "another catalog has it"),
        ("Technique T9003\0", "it holds the character NUL"),
    }  # fmt: skip
    for bad in (b"{", b"[]", b'{"objects": []}', b'{"objects": {}}'):
        assert (await imported(world, bad)).status_code == 400, bad
    assert (await imported(world, BUNDLE, catalog="nothing")).status_code == 404
    assert (await world.admin.post("/api/v1/pattern/import/attack", json={})).status_code == 400
    assert (await world.soc.get("/api/v1/pattern/T1059")).json()["name"] != "Technique T1059"


async def test_the_catalogue_that_comes_with_the_product(world: Any) -> None:
    assert (await world.admin.delete("/api/v1/catalog/attack")).status_code == 400
    assert (await world.admin.patch("/api/v1/catalog/attack", json={"name": "x"})).status_code == 400
    assert (await world.admin.patch("/api/v1/catalog/attack", json={"description": "ATT&CK"})).status_code == 204
    answer = await world.admin.post("/api/v1/pattern/import/attack", json={"catalog": "attack"})
    assert answer.status_code == 201 and answer.json()["imported"] > 500
    assert (await world.admin.post("/api/v1/catalog", json={"name": "attack"})).json()["type"] == "CreateError"


async def test_a_url_passes_the_guard(world: Any, mobile: dict[str, Any]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps(BUNDLE).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/enterprise-attack.json"
        body = {"catalog": "mobile", "url": url}
        refused = await world.admin.post("/api/v1/pattern/import/attack", json=body)
        assert refused.status_code == 400 and "WAGGLE_OUTBOUND_ALLOW" in refused.json()["message"]
        world.hive.outbound = OutboundGuard(["127.0.0.1/32"])
        answer = await world.admin.post("/api/v1/pattern/import/attack", json=body)
        assert (answer.status_code, answer.json()["imported"]) == (201, 2)
    gone = await world.admin.post("/api/v1/pattern/import/attack", json=body)
    assert gone.status_code == 400
    odd = await world.admin.post("/api/v1/pattern/import/attack", json={"catalog": "mobile", "url": "file:///etc/passwd"})
    assert odd.status_code == 400
