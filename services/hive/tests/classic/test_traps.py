"""The twenty traps of contracts/hive-v0.md §0.1: what real clients of the last ten years do, each by its number."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
import pyzipper

ALERT = {"type": "external", "source": "siem", "sourceRef": "1", "title": "Hit", "description": "d"}
CASE = {"title": "Case", "description": "d"}
JSON = {"Content-Type": "application/json"}


async def alert(world: Any, **more: Any) -> dict[str, Any]:
    answer = await world.soc.post("/api/alert", json={**ALERT, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def case(world: Any, **more: Any) -> dict[str, Any]:
    answer = await world.soc.post("/api/case", json={**CASE, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_trap_01_an_empty_body_is_an_empty_object(world: Any) -> None:
    one = await alert(world)
    for mark in ("markAsRead", "markAsUnread", "follow", "unfollow"):
        assert (await world.soc.post(f"/api/alert/{one['id']}/{mark}", content=b"", headers=JSON)).status_code == 200, mark
    promoted = await world.soc.post(f"/api/alert/{one['id']}/createCase")
    assert promoted.status_code == 201
    two = await alert(world, sourceRef="2")
    merged = await world.soc.post(f"/api/alert/{two['id']}/merge/{promoted.json()['id']}")
    assert merged.status_code == 200
    for path in ("/api/alert/_search", "/api/case/_search", "/api/case/task/_search"):
        for headers in ({}, JSON, {"Content-Type": "text/plain"}):
            assert (await world.soc.post(path, content=b"", headers=headers)).status_code == 200, (path, headers)


async def test_trap_02_one_observable_answers_an_array_or_an_object(world: Any) -> None:
    made = await case(world)
    path = f"/api/case/{made['id']}/artifact"
    assert len((await world.soc.post(path, json={"dataType": "ip", "data": "192.0.2.1"})).json()) == 1
    setting = "/api/config/organisation/v0_observable_reply"
    assert (await world.reader.put(setting, json={"value": "object-if-single"})).status_code == 403
    assert (await world.soc.put(setting, json={"value": "nonsense"})).status_code == 400
    assert (await world.soc.put(setting, json={"value": "object-if-single"})).status_code == 204
    single = await world.soc.post(path, json={"dataType": "ip", "data": "192.0.2.2"})
    assert (single.status_code, single.json()["data"]) == (201, "192.0.2.2")
    several = await world.soc.post(path, json={"dataType": "ip", "data": ["192.0.2.3"]})
    assert [one["data"] for one in several.json()] == ["192.0.2.3"]
    assert (await world.soc.put("/api/config/user/v0_observable_reply", json={"value": "array"})).status_code == 204
    mine = await world.soc.post(path, json={"dataType": "ip", "data": "192.0.2.4"})
    assert [one["data"] for one in mine.json()] == ["192.0.2.4"]
    colleague = await world.client("key-soc-analyst").post(path, json={"dataType": "ip", "data": "192.0.2.5"})
    assert colleague.json()["data"] == "192.0.2.5"
    assert (await world.soc.get(setting)).json()["value"] == "object-if-single"
    assert (await world.other.get(setting)).status_code == 404


async def test_trap_03_no_attachment_key_and_always_a_message(world: Any) -> None:
    made = await alert(world, artifacts=[{"dataType": "ip", "data": "192.0.2.1"}])
    (one,) = made["artifacts"]
    assert "attachment" not in one and one["message"] is None
    opened = await case(world)
    task = (await world.soc.post(f"/api/case/{opened['id']}/task", json={"title": "T"})).json()
    log = (await world.soc.post(f"/api/case/task/{task['id']}/log", json={"message": "m"})).json()
    assert "attachment" not in log


async def test_trap_04_a_duplicate_alert_answers_400(world: Any) -> None:
    await alert(world)
    again = await world.soc.post("/api/alert", json=ALERT)
    assert (again.status_code, again.json()["type"]) == (400, "CreateError")
    assert "already exist" in again.json()["message"] and "external:siem:1" in again.json()["message"]


async def test_trap_05_the_same_artifact_twice_is_kept_once(world: Any) -> None:
    made = await alert(world, artifacts=[{"dataType": "ip", "data": "192.0.2.1"}] * 3)
    assert len(made["artifacts"]) == 1


@pytest.mark.parametrize("template", ["", None, "no such template"])
async def test_trap_06_an_unknown_template_is_ignored(world: Any, template: Any) -> None:
    assert (await alert(world, caseTemplate=template))["status"] == "New"


async def test_trap_07_output_objects_are_inputs(world: Any) -> None:
    first = await alert(
        world, artifacts=[{"dataType": "ip", "data": "192.0.2.1"}], tags=["t"], customFields={"n": {"integer": 1}}
    )
    read = (await world.soc.post(f"/api/alert/{first['id']}/markAsRead")).json()
    again = await world.soc.post(
        "/api/alert/", json={**read, "sourceRef": "restored", "status": "Imported", "case": "~1", "follow": False}
    )
    assert again.status_code == 201, again.text
    back = again.json()
    assert (back["status"], back["follow"], back["case"], back["tags"]) == ("New", True, None, ["t"])
    assert back["id"] != first["id"] and back["customFields"]["n"]["integer"] == 1
    opened = (await world.soc.get(f"/api/case/{(await case(world))['id']}?nstats=true")).json()
    assert (await world.soc.post("/api/case", json={**opened, "status": "Resolved"})).json()["status"] == "Open"


async def test_trap_08_undefined_custom_fields_are_made(world: Any) -> None:
    made = await case(
        world,
        customFields={"from": {"order": 0, "string": "Ann"}, "hits": {"number": 4}, "ratio": {"number": 0.5}, "plain": True},
    )
    assert made["customFields"] == {
        "from": {"string": "Ann", "order": 0}, "hits": {"integer": 4, "order": 1}, "ratio": {"float": 0.5, "order": 2},
        "plain": {"boolean": True, "order": 3},
    }  # fmt: skip
    assert (await case(world, customFields={"hits": {"number": 5}}))["customFields"]["hits"] == {"integer": 5, "order": 0}
    wrong = await world.soc.post("/api/case", json={**CASE, "customFields": {"hits": {"string": "many"}}})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "AttributeCheckingError")


async def test_trap_08_unless_the_settings_say_otherwise(world: Any) -> None:
    world.settings.undefined_custom_field = "ignore"
    world.settings.unknown_data_type = "other"
    made = await alert(world, customFields={"new": {"string": "x"}}, artifacts=[{"dataType": "rule", "data": "r"}])
    assert made["customFields"] == {}
    assert [(one["dataType"], one["tags"]) for one in made["artifacts"]] == [("other", ["type:rule"])]
    world.settings.undefined_custom_field = world.settings.unknown_data_type = "reject"
    for more in ({"customFields": {"new": {"string": "x"}}}, {"artifacts": [{"dataType": "rule", "data": "r"}]}):
        refused = await world.soc.post("/api/alert", json={**ALERT, "sourceRef": "2", **more})
        assert (refused.status_code, refused.json()["type"]) == (404, "NotFoundError"), more


async def test_trap_09_the_owner_of_a_case(world: Any) -> None:
    me, analyst = "org-admin@soc.example", "analyst@soc.example"
    for more, owner in (
        ({"owner": analyst}, analyst), ({"user": analyst}, analyst), ({"owner": analyst, "user": me}, analyst), ({}, me),
        ({"owner": "somebody@else.where"}, me), ({"owner": None}, me),
    ):  # fmt: skip
        assert (await case(world, **more))["owner"] == owner, more


async def test_trap_10_string_never_matches_everything(world: Any) -> None:
    await case(world, title="Phishing wave", description="conversation <abc.123@mail.example>")
    await case(world, title="Malware")
    for text, count in (
        ('description:"<abc.123@mail.example>"', 1), ('description:"<other@mail.example>"', 0), ("phishing", 1), ("nothing", 0),
        ("phishing OR malware", 2), ("title:malware AND status:Open", 1), ("malware -title:malware", 0), ("*", 2),
        ("title:phish*", 1), ("severity:[2 TO 3]", 2),
    ):  # fmt: skip
        found = await world.soc.post("/api/case/_search", json={"query": {"_string": text}})
        assert (found.status_code, len(found.json())) == (200, count), text
    wrong = await world.soc.post("/api/case/_search", json={"query": {"_string": 'title:"open'}})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "SearchError")


async def test_trap_11_single_key_queries_are_equalities(world: Any) -> None:
    one = await alert(world, sourceRef="27")
    await alert(world, sourceRef="28")
    opened = (await world.soc.post(f"/api/alert/{one['id']}/createCase")).json()
    for query in (
        {"sourceRef": "27"},
        {"case": opened["id"]},
        {"sourceRef": "27", "source": "siem"},
        {"tlp": "2", "case": opened["id"]},
    ):
        found = await world.soc.post("/api/alert/_search?range=all", json={"query": query})
        assert [a["sourceRef"] for a in found.json()] == ["27"], query


async def test_trap_12_stars_at_both_ends_and_in_the_middle(world: Any) -> None:
    await alert(world, title="Suspicious login from Bern")
    for pattern, count in (
        ("Suspicious*", 1),
        ("*Bern", 1),
        ("*login*", 1),
        ("susp*bern", 1),
        ("*x*", 0),
        ("Suspicious login from Bern", 1),
    ):
        query = {"query": {"_wildcard": {"_field": "title", "_value": pattern}}}
        assert len((await world.soc.post("/api/alert/_search", json=query)).json()) == count, pattern


async def test_trap_13_parameters_in_the_query_string_or_the_body(world: Any) -> None:
    for n in range(12):
        await case(world, title=f"c{n:02}", severity=1 + n % 2)
    body = {"query": {}, "range": "0-3", "sort": ["-severity", "+title"]}
    found = await world.soc.post("/api/case/_search", json=body)
    assert ([c["title"] for c in found.json()], found.headers["x-total"]) == (["c01", "c03", "c05"], "12")
    over = await world.soc.post("/api/case/_search?range=0-2&sort=%2Bseverity&sort=-title", json=body)
    assert [c["title"] for c in over.json()] == ["c10", "c08"]
    got = await world.soc.get("/api/case", params={"range": "all", "sort": "title", "nstats": "true"})
    assert len(got.json()) == 12 and got.json()[0]["stats"]["tasks"] == {"total": 0}
    unknown = await world.soc.post("/api/case/_search?sort=nonsense", json={})
    assert unknown.status_code == 200


async def test_trap_14_templates_by_status_ok(world: Any) -> None:
    query = {"_and": [{"_field": "name", "_value": "Phishing"}, {"status": "Ok"}]}
    found = await world.soc.post("/api/case/template/_search", json={"query": query})
    assert [one["name"] for one in found.json()] == ["Phishing"]


async def test_trap_15_exists_answers_json(world: Any) -> None:
    body = {"key": "reference", "value": "scope"}
    assert (await world.soc.post("/api/list/custom_fields/_exists", json=body)).json() == {"found": False}
    value = {"name": "scope", "reference": "scope", "description": "", "type": "string", "options": [], "mandatory": False}
    assert (await world.soc.post("/api/list/custom_fields", json={"value": value})).status_code == 403
    made = await world.admin.post("/api/list/custom_fields", json={"value": value})
    assert made.status_code == 200 and made.json().startswith("~")
    assert (await world.soc.post("/api/list/custom_fields/_exists", json=body)).json() == {"found": True}
    assert (await world.soc.get("/api/list/custom_fields")).json()[made.json()]["reference"] == "scope"


async def test_trap_16_a_zip_without_a_name(world: Any) -> None:
    made = await case(world)
    files = {"attachment": ("sample.exe", b"MZ" * 100)}
    (one,) = (
        await world.soc.post(f"/api/case/{made['id']}/artifact", data={"_json": '{"dataType": "file"}'}, files=files)
    ).json()
    url = f"/api/datastorezip/{one['attachment']['id']}"
    answer = await world.soc.get(f"{url}?namesample.exe")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert 'filename="sample.exe.zip"' in answer.headers["content-disposition"]
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as archive:
        archive.setpassword(b"malware")
        assert archive.read("sample.exe") == b"MZ" * 100
    assert 'filename="other.zip"' in (await world.soc.get(f"{url}?name=other")).headers["content-disposition"]
    raw = await world.soc.get(f"/api/datastore/{one['attachment']['id']}?name=x.bin")
    assert (raw.content, raw.headers["content-transfer-encoding"]) == (b"MZ" * 100, "binary")
    assert (await world.other.get(url)).status_code == 404


async def test_trap_17_a_trailing_slash_is_no_redirect(world: Any) -> None:
    assert (await world.soc.post("/api/alert/", json=ALERT)).status_code == 201
    for path in ("/api/case/", "/api/alert/", "/api/user/current/", "/api/list/list_artifactDataType/"):
        assert (await world.soc.get(path)).status_code == 200, path


async def test_trap_18_lists_of_one_and_the_word_duplicate(world: Any) -> None:
    made = await case(world, tasks=[{"title": "T", "status": ["Completed"]}])
    task = (await world.soc.post(f"/api/case/{made['id']}/task/_search", json={})).json()[0]
    assert task["status"] == "Completed"
    back = await world.soc.patch(f"/api/case/task/{task['id']}", json={"status": ["InProgress"]})
    assert back.json()["status"] == "InProgress"
    closed = await world.soc.patch(f"/api/case/{made['id']}", json={"status": "Resolved", "resolutionStatus": "Duplicate"})
    assert (closed.json()["status"], closed.json()["resolutionStatus"]) == ("Resolved", "Duplicated")


async def test_trap_20_files_in_alerts_and_in_cases(world: Any) -> None:
    encoded = base64.b64encode(b"hello").decode()
    made = await alert(
        world,
        artifacts=[{"dataType": "file", "data": f"a.txt;text/plain;{encoded}"}, {"dataType": "file", "data": "b.txt;text/plain"}],
    )
    assert [(a["attachment"]["name"], a["attachment"]["size"]) for a in made["artifacts"]] == [("a.txt", 5), ("b.txt", 0)]
    opened = await case(world)
    path = f"/api/case/{opened['id']}/artifact"
    answer = await world.soc.post(
        path,
        files={
            "_json": (None, '{"dataType": "file", "tags": ["x"]}', "application/json"),
            "attachment": ("c.txt", b"c", "text/plain"),
        },
    )
    (one,) = answer.json()
    assert (one["attachment"]["name"], one["attachment"]["contentType"], one["tags"]) == ("c.txt", "text/plain", ["x"])
    known = {"id": one["attachment"]["id"], "name": "d.txt", "contentType": "text/plain"}
    other = await case(world)
    again = await world.soc.post(f"/api/case/{other['id']}/artifact", json={"dataType": "file", "attachment": known})
    assert again.json()[0]["attachment"]["name"] == "d.txt"


async def test_strict_servers_answer_as_thehive_4(world: Any) -> None:
    """Section 7, `v0_strict4`: an unknown sort is refused, numbers are no texts, the owner is named by `user` alone."""
    analyst = "analyst@soc.example"
    await case(world)
    number = {"query": {"_field": "caseId", "_value": "1"}}
    for strict, code in ((False, 200), (True, 400)):
        world.settings.v0_strict4 = strict
        assert (await world.soc.post("/api/case/_search?sort=nonsense", json={})).status_code == code
        assert (await world.soc.post("/api/case/_search", json=number)).status_code == code
        assert (await case(world, owner=analyst))["owner"] == ("org-admin@soc.example" if strict else analyst)
        assert (await case(world, user=analyst))["owner"] == analyst


async def test_a_template_named_like_the_alerts_type(world: Any) -> None:
    """Section 7, `template_by_alert_type`."""
    await world.soc.post("/api/case/template", json={"name": "external", "titlePrefix": "[X]", "tasks": [{"title": "T"}]})
    for n, on in enumerate((False, True)):
        world.settings.template_by_alert_type = on
        made = await alert(world, sourceRef=f"by type {n}")
        opened = (await world.soc.post(f"/api/alert/{made['id']}/createCase", json={})).json()
        assert opened["title"] == ("[X] Hit" if on else "Hit")


async def test_the_password_of_zips(world: Any) -> None:
    """Section 7, `datastore.attachment.password`."""
    world.settings.attachment_password = "infected"
    assert (await world.anonymous.get("/api/status")).json()["config"]["protectDownloadsWith"] == "infected"
    encoded = base64.b64encode(b"MZ").decode()
    made = await alert(world, artifacts=[{"dataType": "file", "data": f"a.exe;application/x-dosexec;{encoded}"}])
    answer = await world.soc.get(f"/api/datastorezip/{made['artifacts'][0]['attachment']['id']}")
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as archive:
        archive.setpassword(b"infected")
        assert archive.read("a.exe") == b"MZ"
