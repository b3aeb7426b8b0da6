"""Custom fields, observable types, statuses, tags and taxonomies: who keeps them, and what holds them in place."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import orjson
import pytest

from hive.tags.shipped import load, shipped

FIELD = {"name": "hosts", "group": "scope", "description": "d", "type": "integer", "options": [1, 2, 3]}
TAXONOMY = {
    "namespace": "weather", "description": "Weather", "version": 3,
    "predicates": [{"value": "rain", "expanded": "Rain"}, {"value": "sun"}],
    "values": [
        {"predicate": "rain", "entry": [{"value": "heavy", "colour": "#00ff00"}, {"value": "light", "expanded": "Light"}]},
    ],
}  # fmt: skip


class TestCustomFields:
    async def test_access(self, world: Any) -> None:
        assert (await world.soc.post("/api/v1/customField", json=FIELD)).status_code == 403
        made = await world.admin.post("/api/v1/customField", json=FIELD)
        assert made.status_code == 201, made.text
        assert (await world.reader.get("/api/v1/customField")).json() == [made.json()]
        for call in (
            world.soc.patch("/api/v1/customField/hosts", json={"group": "x"}), world.soc.delete("/api/v1/customField/hosts"),
        ):  # fmt: skip
            assert (await call).status_code == 403

    @pytest.mark.parametrize(
        ("kind", "good", "bad"),
        [
            ("string", "x", 1), ("integer", 3, 3.5), ("float", 3.5, "3.5"), ("boolean", True, "true"),
            ("date", 1700000000000, "now"), ("url", "http://a.example/", 4),
        ],
    )  # fmt: skip
    async def test_values_of_every_type(self, world: Any, kind: str, good: Any, bad: Any) -> None:
        await world.admin.post("/api/v1/customField", json={**FIELD, "type": kind, "options": []})
        case = await world.case(customFields={"hosts": good})
        (value,) = case["customFields"]
        assert (value["name"], value["type"], value["value"]) == ("hosts", kind, good)
        for wrong in (bad, {"a": 1}, [1]):
            answer = await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"customFields": {"hosts": wrong}})
            assert (answer.status_code, answer.json()["type"]) == (400, "AttributeCheckingError"), wrong
        assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"customFields": {"hosts": None}})).status_code == 204

    async def test_options_bind_values_and_must_fit(self, world: Any) -> None:
        await world.admin.post("/api/v1/customField", json=FIELD)
        case = await world.case()
        for value, status in ((2, 204), (4, 400)):
            answer = await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"customFields": {"hosts": value}})
            assert answer.status_code == status, value
        for change in (
            {"options": ["a"]},
            {"type": "boolean"},
            {"type": "colour"},
            {"group": None},
            {"name": "x"},
            {"options": 1},
        ):
            assert (await world.admin.patch("/api/v1/customField/hosts", json=change)).status_code == 400, change

    async def test_the_type_changes_only_while_unused(self, world: Any) -> None:
        await world.admin.post("/api/v1/customField", json={**FIELD, "options": []})
        assert (
            await world.admin.patch("/api/v1/customField/hosts", json={"type": "float", "displayName": "H"})
        ).status_code == 204
        case = await world.case(customFields={"hosts": 1})
        assert case["customFields"][0]["type"] == "float"
        refused = await world.admin.patch("/api/v1/customField/hosts", json={"type": "string"})
        assert (refused.status_code, refused.json()["type"]) == (400, "BadRequest")

    async def test_removing_takes_the_values_with_force_only(self, world: Any) -> None:
        await world.admin.post("/api/v1/customField", json=FIELD)
        case = await world.case(customFields={"hosts": 1})
        alert = await world.alert(customFields={"hosts": 2})
        await world.soc.post("/api/v1/caseTemplate", json={"name": "T", "customFields": {"hosts": 3}})
        assert (await world.admin.delete("/api/v1/customField/hosts")).status_code == 400
        assert (await world.admin.delete("/api/v1/customField/hosts?force=True")).status_code == 204
        for path in (f"case/{case['_id']}", f"alert/{alert['_id']}", "caseTemplate/T"):
            assert (await world.soc.get(f"/api/v1/{path}")).json()["customFields"] == [], path
        assert (await world.admin.delete("/api/v1/customField/hosts")).status_code == 404
        assert (await world.admin.post("/api/v1/customField", json=FIELD)).status_code == 201

    async def test_a_mandatory_field_holds_a_case_open(self, world: Any) -> None:
        await world.admin.post("/api/v1/customField", json={**FIELD, "mandatory": True})
        case = await world.case()
        closing = {"status": "TruePositive", "impactStatus": "NoImpact"}
        assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json=closing)).status_code == 400
        await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"customFields": {"hosts": 1}})
        assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json=closing)).status_code == 204


class TestObservableTypes:
    async def test_life(self, world: Any) -> None:
        body = {"name": "coin", "isCaseSensitive": False}
        assert (await world.soc.post("/api/v1/observable/type", json=body)).status_code == 403
        made = await world.admin.post("/api/v1/observable/type", json=body)
        assert (made.status_code, made.json()["isAttachment"], made.json()["isCaseSensitive"]) == (201, False, False)
        assert (await world.admin.post("/api/v1/observable/type", json=body)).json()["type"] == "CreateError"
        assert (await world.reader.get("/api/v1/observable/type/coin")).json() == made.json()
        found = await world.query(
            {"_name": "listObservableType"}, {"_name": "filter", "_eq": {"_field": "name", "_value": "coin"}}
        )
        assert found == [made.json()]
        case = await world.case()
        await world.observable(case["_id"], dataType="coin", data="ABC")
        twice = await world.soc.post(f"/api/v1/case/{case['_id']}/observable", json={"dataType": "coin", "data": "abc"})
        assert twice.status_code == 207
        assert (await world.soc.delete("/api/v1/observable/type/coin")).status_code == 403
        assert (await world.admin.delete("/api/v1/observable/type/coin")).status_code == 400
        assert (await world.admin.patch("/api/v1/observable/type/coin", json={"isCaseSensitive": True})).status_code == 400
        assert (await world.admin.delete("/api/v1/observable/type/~1")).status_code == 404

    async def test_an_unused_one_goes(self, world: Any) -> None:
        await world.admin.post("/api/v1/observable/type", json={"name": "coin"})
        assert (await world.admin.patch("/api/v1/observable/type/coin", json={"isCaseSensitive": False})).status_code == 204
        assert (await world.admin.delete("/api/v1/observable/type/coin")).status_code == 204
        assert (await world.admin.get("/api/v1/observable/type/coin")).status_code == 404
        case = await world.case()
        answer = await world.soc.post(f"/api/v1/case/{case['_id']}/observable", json={"dataType": "coin", "data": "x"})
        assert answer.status_code == 400


class TestStatuses:
    @pytest.mark.parametrize("kind", ["alert", "case"])
    async def test_life(self, world: Any, kind: str) -> None:
        path = f"/api/v1/{kind}Status"
        body = {"value": "Waiting for legal", "stage": "InProgress", "order": 9, "colour": "#112233"}
        assert (await world.soc.post(path, json=body)).status_code == 403
        made = (await world.admin.post(path, json=body)).json()
        assert (made["value"], made["stage"], made["order"], made["hidden"]) == ("Waiting for legal", "InProgress", 9, False)
        assert (await world.admin.post(path, json=body)).json()["type"] == "CreateError"
        name = f"list{kind.capitalize()}Status"
        assert made in await world.query({"_name": name})
        one = await (world.alert() if kind == "alert" else world.case())
        answer = await world.soc.patch(f"/api/v1/{kind}/{one['_id']}", json={"status": "Waiting for legal"})
        assert answer.status_code == 204
        shown = (await world.soc.get(f"/api/v1/{kind}/{one['_id']}")).json()
        assert (shown["status"], shown["stage"]) == ("Waiting for legal", "InProgress") and shown["inProgressDate"]
        for change in ({"stage": "Closed"}, {"value": "Other words"}, {"colour": "red"}, {"stage": "Imported"}, {"order": None}):
            assert (await world.admin.patch(f"{path}/{made['_id']}", json=change)).status_code == 400, change
        assert (await world.admin.patch(f"{path}/{made['_id']}", json={"colour": "#445566", "hidden": True})).status_code == 204
        assert (await world.reader.get(f"{path}/{made['_id']}")).json()["colour"] == "#445566"
        assert (await world.admin.delete(f"{path}/{made['_id']}")).status_code == 400
        await world.soc.patch(f"/api/v1/{kind}/{one['_id']}", json={"status": "InProgress"})
        assert (await world.admin.delete(f"{path}/{made['_id']}")).status_code == 204

    async def test_what_the_rules_know_stays(self, world: Any) -> None:
        for path in ("alertStatus/New", "alertStatus/Imported", "caseStatus/Duplicated"):
            assert (await world.admin.delete(f"/api/v1/{path}")).status_code == 400
            assert (await world.admin.patch(f"/api/v1/{path}", json={"stage": "Closed", "value": "x"})).status_code == 400
            assert (await world.admin.patch(f"/api/v1/{path}", json={"colour": "#010203"})).status_code == 204

    async def test_a_closed_one_of_our_own_is_resolved_for_classic_clients(self, world: Any) -> None:
        await world.admin.post("/api/v1/caseStatus", json={"value": "Handed over", "stage": "Closed"})
        case = await world.case()
        assert (await world.soc.patch(f"/api/v1/case/{case['_id']}", json={"status": "Handed over"})).status_code == 204
        old = (await world.soc.get(f"/api/case/{case['_id']}")).json()
        assert (old["status"], old["resolutionStatus"]) == ("Resolved", "Other")


class TestTaxonomies:
    async def test_life(self, world: Any) -> None:
        assert (await world.soc.post("/api/v1/taxonomy", json=TAXONOMY)).status_code == 403
        made = await world.admin.post("/api/v1/taxonomy", json=TAXONOMY)
        assert made.status_code == 201, made.text
        tags = [(t["namespace"], t["predicate"], t.get("value"), t["colour"], t.get("description")) for t in made.json()["tags"]]
        assert tags == [
            ("weather", "rain", "heavy", "#00ff00", None), ("weather", "rain", "light", "#000000", "Light"),
            ("weather", "sun", None, "#000000", None),
        ]  # fmt: skip
        assert (await world.admin.post("/api/v1/taxonomy", json=TAXONOMY)).json()["type"] == "CreateError"
        assert await world.query({"_name": "listTag"}) == []
        path = f"/api/v1/taxonomy/{made.json()['_id']}"
        assert (await world.soc.put(f"{path}/activate")).status_code == 403
        assert (await world.admin.put(f"{path}/activate")).status_code == 204
        found = await world.query(
            {"_name": "listTag"}, {"_name": "filter", "_eq": {"_field": "text", "_value": 'weather:rain="heavy"'}}
        )
        assert [t["value"] for t in found] == ["heavy"]
        (listed,) = await world.query(
            {"_name": "listTaxonomy"}, {"_name": "filter", "_eq": {"_field": "enabled", "_value": True}}
        )
        assert (listed["namespace"], listed["version"], len(listed["tags"])) == ("weather", 3, 3)
        tag = f"/api/v1/tag/{found[0]['_id']}"
        assert (await world.soc.patch(tag, json={"colour": "#123456"})).status_code == 404
        assert (await world.admin.patch(tag, json={"colour": "#123456"})).status_code == 204
        assert (await world.soc.get(tag)).json()["colour"] == "#123456"
        assert (await world.admin.delete(tag)).status_code == 400
        assert (await world.admin.put(f"{path}/deactivate")).status_code == 204
        assert (await world.soc.get(tag)).status_code == 404
        assert (await world.admin.delete(path)).status_code == 204
        assert (await world.admin.get(path)).status_code == 404

    async def test_free_tags_are_those_in_use_here(self, world: Any) -> None:
        case = await world.case(tags=["c1", "both"])
        await world.alert(tags=["a1", "both"])
        await world.observable(case["_id"], tags=["o1"])
        await world.alert(world.other, tags=["foreign"])
        found = await world.query({"_name": "listTag"})
        assert sorted(t["predicate"] for t in found) == ["a1", "both", "c1", "o1"]
        tag = f"/api/v1/tag/{found[0]['_id']}"
        assert (await world.other.get(tag)).status_code == 404
        assert (await world.reader.patch(tag, json={"colour": "#ffffff"})).status_code == 403
        assert (await world.soc.patch(tag, json={"colour": "#ffffff", "description": "d"})).status_code == 204
        for change in ({"colour": "white"}, {"predicate": "renamed"}, {"colour": None}):
            assert (await world.soc.patch(tag, json=change)).status_code == 400, change
        assert (await world.soc.get(tag)).json()["description"] == "d"
        assert (await world.soc.delete(tag)).status_code == 204
        assert (await world.soc.get(tag)).status_code == 404

    async def test_import_of_a_zip(self, world: Any) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/machinetag.json", orjson.dumps(TAXONOMY))
            archive.writestr("b/machinetag.json", orjson.dumps({**TAXONOMY, "namespace": "sky"}))
            archive.writestr("c/machinetag.json", b"{")
            archive.writestr("d/machinetag.json", b"{}")
            archive.writestr("README.md", "no taxonomy")
        files = {"file": ("t.zip", buffer.getvalue())}
        assert (await world.soc.post("/api/v1/taxonomy/import-zip", files=files)).status_code == 403
        answer = await world.admin.post("/api/v1/taxonomy/import-zip", files=files)
        assert (answer.status_code, answer.json()["imported"]) == (207, 2)
        assert [one["file"] for one in answer.json()["errors"]] == ["c/machinetag.json", "d/machinetag.json"]
        for bad in ({"file": ("t.zip", b"no zip")}, {"other": ("t.zip", b"x")}):
            assert (await world.admin.post("/api/v1/taxonomy/import-zip", files=bad)).status_code == 400

    async def test_the_public_ones_come_with_the_package(self, world: Any) -> None:
        names = [one.namespace for one in shipped()]
        assert {"tlp", "PAP", "kill-chain", "admiralty-scale"} <= set(names) and len(names) >= 150
        async with world.hive.database.system() as session:
            first = await load(session)
        async with world.hive.database.system() as session:
            again = await load(session)
        assert (first, again) == (len(set(names)), 0)
        (tlp,) = await world.query({"_name": "getTaxonomy", "idOrName": "tlp"}, client=world.admin)
        assert {"red", "green", "amber+strict"} <= {t["predicate"] for t in tlp["tags"]} and not tlp["enabled"]
