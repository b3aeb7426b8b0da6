"""A case as a file: out of one organisation with a password, into another, whole."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import pyzipper

PASSWORD = "a long password"


async def rich_case(world: Any) -> dict[str, Any]:
    """A case with one of everything."""
    await world.admin.post("/api/v1/customField", json={"name": "hosts", "group": "g", "description": "", "type": "integer"})
    tasks = [{"title": "First", "description": "do", "order": 1}, {"title": "Second", "group": "g"}]
    case = await world.case(
        title="Äußerst ungewöhnlich ✓", tags=["a", "b"], tlp=3, pap=1, severity=4, flag=True, summary="s", tasks=tasks,
        startDate=1_700_000_000_000, customFields={"hosts": 4},
    )  # fmt: skip
    path = f"/api/v1/case/{case['_id']}"
    tasks = await world.query({"_name": "getCase", "idOrName": case["_id"]}, {"_name": "tasks"})
    files = {"attachments": ("note.txt", b"note", "text/plain")}
    log = await world.soc.post(f"/api/v1/task/{tasks[0]['_id']}/log", data={"_json": '{"message": "seen"}'}, files=files)
    assert log.status_code == 201, log.text
    await world.observable(case["_id"], data="evil.example", tags=["x"], ioc=True, tlp=1, message="why")
    body = {"_json": '{"dataType": "file", "tags": ["sample"]}'}
    await world.soc.post(f"{path}/observable", data=body, files={"attachment": ("sample.bin", bytes(range(256)) * 50)})
    await world.soc.post(f"{path}/comment", json={"message": "what we think"})
    await world.soc.post(f"{path}/page", json={"title": "Plan", "content": "# 1", "category": "ops"})
    await world.soc.post(f"{path}/attachments", files={"attachments": ("report.pdf", b"%PDF-1")})
    return dict((await world.soc.get(path)).json())


async def exported(world: Any, case: str) -> bytes:
    answer = await world.soc.get(f"/api/v1/case/{case}/export", params={"password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment;")
    return bytes(answer.content)


async def imported(client: Any, content: bytes, password: str = PASSWORD, **more: Any) -> Any:
    sent = {"_json": json.dumps({"password": password, **more})}
    return await client.post("/api/v1/case/import", data=sent, files={"file": ("case.thar", content)})


async def test_access(world: Any) -> None:
    case = await world.case()
    path = f"/api/v1/case/{case['_id']}/export?password=x"
    assert (await world.anonymous.get(path)).status_code == 401
    assert (await world.other.get(path)).status_code == 404
    content = await exported(world, case["_id"])
    assert (await imported(world.anonymous, content)).status_code == 401
    assert (await imported(world.reader, content)).status_code == 403
    assert (await world.soc.get(f"/api/v1/case/{case['_id']}/export")).status_code == 400


async def test_round_trip_into_another_organisation(world: Any) -> None:
    case = await rich_case(world)
    content = await exported(world, case["_id"])
    assert b"evil.example" not in content
    answer = await imported(world.other, content)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert "errors" not in made
    same = ("title", "description", "severity", "tlp", "pap", "startDate", "tags", "flag", "summary", "status")
    assert {name: made["case"].get(name) for name in same} == {name: case.get(name) for name in same}
    assert [(f["name"], f["value"]) for f in made["case"]["customFields"]] == [("hosts", 4)]
    assert made["case"]["number"] != case["number"] and made["case"]["_createdBy"] == "org-admin@other.example"
    values = [(o["dataType"], o.get("data"), o["tags"], o["ioc"], o["tlp"], o.get("message")) for o in made["observables"]]
    assert values == [("domain", "evil.example", ["x"], True, 1, "why"), ("file", None, ["sample"], False, 2, None)]
    file = made["observables"][1]["attachment"]
    url = f"/api/v1/observable/{made['observables'][1]['_id']}/attachment/{file['_id']}/download"
    assert (file["name"], (await world.other.get(url)).content) == ("sample.bin", bytes(range(256)) * 50)
    here = {"_name": "getCase", "idOrName": made["case"]["_id"]}
    tasks = await world.query(here, {"_name": "tasks"}, {"_name": "sort", "_fields": [{"title": "asc"}]}, client=world.other)
    assert [(t["title"], t["group"], t["status"]) for t in tasks] == [
        ("First", "default", "Waiting"),
        ("Second", "g", "InProgress"),
    ]
    (log,) = await world.query(here, {"_name": "tasks"}, {"_name": "logs"}, client=world.other)
    assert (log["message"], log["attachments"][0]["name"]) == ("seen", "note.txt")
    (page,) = await world.query(here, {"_name": "pages"}, client=world.other)
    (comment,) = await world.query(here, {"_name": "comments"}, client=world.other)
    (attached,) = await world.query(here, {"_name": "attachments"}, client=world.other)
    assert (page["title"], comment["message"], attached["name"]) == (
        "Plan", "org-admin@soc.example: what we think", "report.pdf",
    )  # fmt: skip
    assert await world.query({"_name": "getCase", "idOrName": made["case"]["_id"]}) == []


async def test_what_this_hive_lacks_is_told(world: Any) -> None:
    await world.admin.post("/api/v1/observable/type", json={"name": "coin"})
    case = await rich_case(world)
    await world.observable(case["_id"], dataType="coin", data="abc")
    content = await exported(world, case["_id"])
    await world.soc.delete(f"/api/v1/case/{case['_id']}")
    assert (await world.admin.delete("/api/v1/observable/type/coin")).status_code == 204
    assert (await world.admin.delete("/api/v1/customField/hosts?force=true")).status_code == 204
    made = (await imported(world.soc, content)).json()
    assert {(e["type"], e["object"]["kind"], e["object"]["name"]) for e in made["errors"]} == {
        ("AttributeCheckingError", "customField", "hosts"), ("AttributeCheckingError", "observable", "abc"),
    }  # fmt: skip
    assert len(made["observables"]) == 2


async def test_what_is_no_archive_is_refused(world: Any) -> None:
    case = await world.case()
    content = await exported(world, case["_id"])

    def zipped(**members: bytes) -> bytes:
        buffer = io.BytesIO()
        with pyzipper.AESZipFile(buffer, "w", encryption=pyzipper.WZ_AES) as archive:
            archive.setpassword(PASSWORD.encode())
            for name, body in members.items():
                archive.writestr(name.replace("_", "."), body)
        return buffer.getvalue()

    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(PASSWORD.encode())
        document = json.loads(archive.read("case.json"))
    foreign = {**document, "case": {**document["case"], "files": [{"sha256": "0" * 64, "name": "x", "content_type": "a/b"}]}}
    unknown = {**document, "case": {**document["case"], "severity": 9}}
    bad = [
        (content, "wrong"), (b"no zip", PASSWORD), (zipped(other_json=b"{}"), PASSWORD), (zipped(case_json=b"{"), PASSWORD),
        (zipped(case_json=json.dumps(foreign).encode()), PASSWORD), (zipped(case_json=json.dumps(unknown).encode()), PASSWORD),
    ]  # fmt: skip
    before = await world.owner.fetchval("SELECT count(*) FROM cases")
    for body, password in bad:
        answer = await imported(world.soc, body, password)
        assert (answer.status_code, answer.json()["type"]) == (400, "AttributeCheckingError"), answer.text
    assert await world.owner.fetchval("SELECT count(*) FROM cases") == before


@pytest.mark.parametrize("sent", [{}, {"password": ""}, {"password": 5}, {"password": "x", "unknown": 1}])
async def test_input_is_checked(world: Any, sent: dict[str, Any]) -> None:
    answer = await world.soc.post("/api/v1/case/import", data={"_json": json.dumps(sent)}, files={"file": ("a", b"x")})
    assert answer.status_code == 400
