"""What people write on alerts and cases: comments and pages, and templates of pages."""

from __future__ import annotations

from typing import Any

import pytest


class TestComments:
    @pytest.mark.parametrize("kind", ["alert", "case"])
    async def test_access(self, world: Any, kind: str) -> None:
        parent = await (world.alert() if kind == "alert" else world.case())
        path = f"/api/v1/{kind}/{parent['_id']}/comment"
        assert (await world.anonymous.post(path, json={"message": "m"})).status_code == 401
        assert (await world.reader.post(path, json={"message": "m"})).status_code == 403
        assert (await world.other.post(path, json={"message": "m"})).status_code == 404
        made = (await world.soc.post(path, json={"message": "m"})).json()
        one = f"/api/v1/comment/{made['_id']}"
        assert (await world.reader.patch(one, json={"message": "x"})).status_code == 403
        assert (await world.other.patch(one, json={"message": "x"})).status_code == 404
        assert (await world.other.delete(one)).status_code == 404
        assert await world.query({"_name": "listComment"}, client=world.other) == []
        assert await world.query({"_name": "listComment"}, client=world.reader) == [made]

    @pytest.mark.parametrize("kind", ["alert", "case"])
    async def test_written_changed_found_and_removed(self, world: Any, kind: str) -> None:
        parent = await (world.alert() if kind == "alert" else world.case())
        made = (
            await world.soc.post(f"/api/v1/{kind}/{parent['_id']}/comment", json={"message": "beacon to evil.example"})
        ).json()
        assert (made["_type"], made["isEdited"], made["createdBy"]) == ("Comment", False, "org-admin@soc.example")
        steps = [{"_name": f"get{kind.capitalize()}", "idOrName": parent["_id"]}, {"_name": "comments"}]
        assert await world.query(*steps) == [made]
        assert await world.query({"_name": "getComment", "idOrName": made["_id"]}) == [made]
        word = {"_name": "filter", "_match": {"_field": "message", "_value": "evil.example"}}
        assert await world.query({"_name": "listComment"}, word) == [made]
        assert (await world.soc.patch(f"/api/v1/comment/{made['_id']}", json={"message": "all clear"})).status_code == 204
        (after,) = await world.query(*steps)
        assert (after["message"], after["isEdited"], after["version"]) == ("all clear", True, 2)
        assert await world.query({"_name": "listComment"}, word) == []
        assert (await world.soc.delete(f"/api/v1/comment/{made['_id']}")).status_code == 204
        assert (await world.soc.delete(f"/api/v1/comment/{made['_id']}")).status_code == 404
        assert await world.query(*steps) == []

    async def test_bad_input(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/comment"
        for body in ({}, {"message": ""}, {"message": None}, {"message": "m", "createdBy": "x"}):
            assert (await world.soc.post(path, json=body)).status_code == 400, body
        assert (await world.soc.post("/api/v1/case/~1/comment", json={"message": "m"})).status_code == 404


PAGE = {"title": "Findings", "content": "# What we know", "category": "report", "order": 2}


class TestPages:
    async def test_access(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['_id']}/page"
        assert (await world.anonymous.post(path, json=PAGE)).status_code == 401
        assert (await world.reader.post(path, json=PAGE)).status_code == 403
        assert (await world.other.post(path, json=PAGE)).status_code == 404
        page = (await world.soc.post(path, json=PAGE)).json()
        assert (await world.other.patch(f"{path}/{page['_id']}", json={"title": "x"})).status_code == 404
        assert await world.query({"_name": "listPage"}, client=world.other) == []

    async def test_made_changed_and_removed(self, world: Any) -> None:
        case = await world.case()
        path = f"/api/v1/case/{case['number']}/page"
        page = (await world.soc.post(path, json=PAGE)).json()
        assert {k: page[k] for k in PAGE} == PAGE and page["_type"] == "Page"
        steps = [{"_name": "getCase", "idOrName": case["_id"]}, {"_name": "pages"}]
        assert await world.query(*steps) == [page]
        assert (await world.soc.patch(f"{path}/{page['_id']}", json={"title": "Report", "order": 0})).status_code == 204
        (after,) = await world.query(*steps)
        assert (after["title"], after["order"], after["content"]) == ("Report", 0, PAGE["content"])
        second = await world.case()
        assert (await world.soc.delete(f"/api/v1/case/{second['_id']}/page/{page['_id']}")).status_code == 404
        assert (await world.soc.delete(f"{path}/{page['_id']}")).status_code == 204
        assert await world.query(*steps) == []

    async def test_bad_input(self, world: Any) -> None:
        case = await world.case()
        for body in ({**PAGE, "category": ""}, {**PAGE, "title": None}, {"title": "x"}, {**PAGE, "order": "1"}):
            assert (await world.soc.post(f"/api/v1/case/{case['_id']}/page", json=body)).status_code == 400, body


class TestPageTemplates:
    async def test_access(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/v1/pageTemplate", json=PAGE)).status_code == 401
        assert (await world.client("key-soc-analyst").post("/api/v1/pageTemplate", json=PAGE)).status_code == 403
        made = (await world.soc.post("/api/v1/pageTemplate", json=PAGE)).json()
        assert (await world.other.patch(f"/api/v1/pageTemplate/{made['_id']}", json={"title": "x"})).status_code == 404
        assert await world.query({"_name": "listPageTemplate"}, client=world.other) == []

    async def test_made_changed_and_removed(self, world: Any) -> None:
        made = (await world.soc.post("/api/v1/pageTemplate", json=PAGE)).json()
        assert made["_type"] == "PageTemplate"
        assert await world.query({"_name": "getPageTemplate", "idOrName": made["_id"]}) == [made]
        assert (await world.soc.patch(f"/api/v1/pageTemplate/{made['_id']}", json={"content": "new"})).status_code == 204
        (after,) = await world.query({"_name": "listPageTemplate"})
        assert (after["content"], after["version"]) == ("new", 2)
        assert (await world.soc.delete(f"/api/v1/pageTemplate/{made['_id']}")).status_code == 204
        assert await world.query({"_name": "listPageTemplate"}) == []
