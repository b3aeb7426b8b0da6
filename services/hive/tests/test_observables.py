"""Observables: many at once, files and archives of files, changes in bulk, deletion, what objects have in common."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
import pyzipper

from hive.observables.service import Parent
from hive.observables.similarity import sharing


async def from_files(world: Any, case: str, body: dict[str, Any], *files: tuple[str, bytes], client: Any = None) -> Any:
    return await (client or world.soc).post(
        f"/api/v1/case/{case}/observable", data={"_json": json.dumps(body)},
        files=[("attachment", file) for file in files],
    )  # fmt: skip


async def of_case(world: Any, case: str, client: Any = None) -> list[dict[str, Any]]:
    found = await world.query({"_name": "getCase", "idOrName": case}, {"_name": "observables"}, client=client)
    return list(found)


def zipped(members: dict[str, bytes], password: bytes = b"malware") -> bytes:
    raw = io.BytesIO()
    with pyzipper.AESZipFile(raw, "w", encryption=pyzipper.WZ_AES) as made:
        made.setpassword(password)
        for name, content in members.items():
            made.writestr(name, content)
    return raw.getvalue()


class TestCreate:
    async def test_access(self, world: Any) -> None:
        case = await world.case()
        body = {"dataType": "ip", "data": "192.0.2.7"}
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post(f"/api/v1/case/{case['_id']}/observable", json=body)).status_code == code
        assert await of_case(world, case["_id"]) == []

    async def test_several_values_and_one_that_is_there(self, world: Any) -> None:
        case = await world.case()
        await world.observable(case["_id"], dataType="ip", data="192.0.2.1")
        body = {"dataType": "ip", "data": ["192.0.2.1", "192.0.2.2", "192.0.2.2"], "tags": ["seen"], "tlp": 1}
        answer = await world.soc.post(f"/api/v1/case/{case['_id']}/observable", json=body)
        assert answer.status_code == 207
        shown = answer.json()
        assert [(o["data"], o["tags"], o["tlp"]) for o in shown["success"]] == [("192.0.2.2", ["seen"], 1)]
        assert shown["failure"] == [
            {"type": "CreateError", "message": "Observable already exists", "object": {"dataType": "ip", "data": "192.0.2.1"}}
        ]

    async def test_types_that_do_not_regard_case_hold_one_value_once(self, world: Any) -> None:
        case = await world.case()
        await world.observable(case["_id"], data="Evil.example")
        again = await world.soc.post(
            f"/api/v1/case/{case['_id']}/observable", json={"dataType": "domain", "data": "evil.EXAMPLE"}
        )
        assert (again.status_code, len(again.json()["failure"])) == (207, 1)

    async def test_several_files(self, world: Any) -> None:
        case = await world.case()
        answer = await from_files(world, case["_id"], {"dataType": "file"}, ("a.exe", b"MZ1"), ("C:\\temp\\b.exe", b"MZ2"))
        assert answer.status_code == 201
        assert [o["attachment"]["name"] for o in answer.json()] == ["a.exe", "b.exe"]
        again = await from_files(world, case["_id"], {"dataType": "file"}, ("other.name", b"MZ1"))
        assert again.status_code == 207

    async def test_the_files_of_an_archive(self, world: Any) -> None:
        case = await world.case()
        archive = zipped({"folder/one.js": b"1", "two.js": b"2"})
        answer = await from_files(world, case["_id"], {"dataType": "file", "isZip": True, "tags": ["x"]}, ("all.zip", archive))
        assert answer.status_code == 201, answer.text
        assert [(o["attachment"]["name"], o["attachment"]["size"], o["tags"]) for o in answer.json()] == [
            ("one.js", 1, ["x"]), ("two.js", 1, ["x"]),
        ]  # fmt: skip
        own = await from_files(
            world, case["_id"], {"dataType": "file", "isZip": True, "zipPassword": "infected"},
            ("more.zip", zipped({"three.js": b"3"}, b"infected")),
        )  # fmt: skip
        assert [o["attachment"]["name"] for o in own.json()] == ["three.js"]

    async def test_the_files_of_an_archive_in_an_alert(self, world: Any) -> None:
        body = {
            "type": "t", "source": "s", "sourceRef": "1", "title": "t", "description": "d",
            "observables": [{"dataType": "file", "attachment": "sample", "isZip": True}],
        }  # fmt: skip
        answer = await world.soc.post(
            "/api/v1/alert", data={"_json": json.dumps(body)}, files={"sample": ("s.zip", zipped({"a": b"1", "b": b"2"}))}
        )
        assert (answer.status_code, answer.json()["observableCount"]) == (201, 2)

    @pytest.mark.parametrize(
        ("name", "content", "more"),
        [
            ("wrong.zip", zipped({"a": b"1"}, b"other"), {}), ("no.zip", b"MZ", {}), ("empty.zip", zipped({}), {}),
            ("bomb.zip", zipped({str(n): b"" for n in range(1001)}), {}), ("x.zip", zipped({"a": b"1"}), {"zipPassword": ""}),
        ],
    )  # fmt: skip
    async def test_archives_that_are_refused(self, world: Any, name: str, content: bytes, more: dict[str, Any]) -> None:
        case = await world.case()
        answer = await from_files(world, case["_id"], {"dataType": "file", "isZip": True, **more}, (name, content))
        assert (answer.status_code, answer.json()["type"]) == (400, "AttributeCheckingError")
        assert await of_case(world, case["_id"]) == []


class TestDownload:
    async def test_in_a_zip_that_python_opens(self, world: Any) -> None:
        case = await world.case()
        (made,) = (await from_files(world, case["_id"], {"dataType": "file"}, ("söme.exe", b"MZ" * 100))).json()
        path = f"/api/v1/observable/{made['_id']}/attachment/{made['attachment']['_id']}"
        for client, code in ((world.anonymous, 401), (world.other, 404)):
            assert (await client.get(f"{path}/download?asZip=True")).status_code == code
        answer = await world.reader.get(f"{path}/download?asZip=True")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.namelist() == ["söme.exe"]
            assert archive.read("söme.exe", pwd=b"malware") == b"MZ" * 100
        assert (await world.reader.get(f"{path}/download?asZip=False")).content == b"MZ" * 100

    async def test_a_caller_that_has_the_content(self, world: Any) -> None:
        case = await world.case()
        (made,) = (await from_files(world, case["_id"], {"dataType": "file"}, ("a", b"1"))).json()
        path = f"/api/v1/observable/{made['_id']}/attachment/{made['attachment']['_id']}"
        first = await world.reader.get(path)
        assert (first.status_code, first.content) == (200, b"1")
        assert first.headers["content-disposition"].startswith("attachment")
        again = await world.reader.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


class TestChange:
    async def test_several_at_once_or_none(self, world: Any) -> None:
        case = await world.case()
        one = await world.observable(case["_id"], data="a.example", tags=["keep", "drop"])
        two = await world.observable(case["_id"], dataType="ip", data="192.0.2.1")
        body = {
            "ids": [one["_id"], two["_id"]], "dataType": "other", "ioc": True, "sighted": True, "external": True,
            "addTags": ["new"], "removeTags": ["drop"],
        }  # fmt: skip
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.patch("/api/v1/observable/_bulk", json=body)).status_code == code
        missing = await world.soc.patch("/api/v1/observable/_bulk", json={**body, "ids": [one["_id"], "~1"]})
        assert missing.status_code == 404
        assert not any(o["ioc"] for o in await of_case(world, case["_id"]))
        assert (await world.soc.patch("/api/v1/observable/_bulk", json=body)).status_code == 204
        found = await of_case(world, case["_id"])
        assert [(o["dataType"], o["ioc"], o["tags"], o["external"]) for o in found] == [
            ("other", True, ["keep", "new"], True), ("other", True, ["new"], True),
        ]  # fmt: skip
        assert all(o["sightedAt"] > 0 for o in found)
        assert (await world.soc.patch("/api/v1/observable/_bulk", json={"ids": [], "ioc": False})).status_code == 204

    async def test_data_cannot_be_changed(self, world: Any) -> None:
        one = await world.observable((await world.case())["_id"])
        for body in ({"data": "x.example"}, {"dataType": "file"}, {"tlp": 5}, {"ioc": None}):
            assert (await world.soc.patch(f"/api/v1/observable/{one['_id']}", json=body)).status_code == 400


class TestDelete:
    async def test_takes_everything_of_it_away(self, world: Any) -> None:
        case = await world.case()
        one = await world.observable(case["_id"], tags=["t"])
        path = f"/api/v1/observable/{one['_id']}"
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.delete(path)).status_code == code
        await world.soc.post("/api/connector/cortex/job", json={"analyzerId": "none", "artifactId": one["_id"]})
        assert (await world.soc.delete(path)).status_code == 204
        assert (await world.soc.get(path)).status_code == 404
        for table in ("observables", "observable_tags", "jobs"):
            assert await world.owner.fetchval(f"SELECT count(*) FROM {table}") == 0
        row = await world.owner.fetchrow("SELECT object, details FROM audit WHERE action = 'delete'")
        assert (row["object"]["data"], row["details"]) == ("evil.example", {"dataType": "domain", "data": "evil.example"})
        await world.observable(case["_id"])  # its value is free again

    async def test_an_alert_counts_one_less(self, world: Any) -> None:
        alert = await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}, {"dataType": "ip", "data": "192.0.2.2"}])
        one, _ = await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "observables"})
        await world.soc.delete(f"/api/v1/observable/{one['_id']}")
        assert (await world.soc.get(f"/api/v1/alert/{alert['_id']}")).json()["observableCount"] == 1


class TestSimilar:
    async def test_what_two_have_in_common(self, world: Any) -> None:
        first, second = await world.case(), await world.case(title="Second")
        alert = await world.alert(observables=[{"dataType": "domain", "data": "Evil.example"}])
        shared = await world.observable(first["_id"])
        await world.observable(first["_id"], data="alone.example")
        ignored = await world.observable(first["_id"], data="cdn.example", ignoreSimilarity=True)
        await world.observable(second["_id"])
        await world.observable(second["_id"], data="cdn.example")
        path = f"/api/v1/case/{first['_id']}/similar"
        for client, code in ((world.anonymous, 401), (world.other, 404)):
            assert (await client.get(f"{path}/{second['_id']}/observables")).status_code == code
        for other in (second["_id"], alert["_id"]):
            found = (await world.reader.get(f"{path}/{other}/observables")).json()
            assert [o["_id"] for o in found] == [shared["_id"]]
        assert (await world.soc.get(f"{path}/~1/observables")).status_code == 404
        of_alert = await world.soc.get(f"/api/v1/alert/{alert['_id']}/similar/{second['number']}/observables")
        assert [o["data"] for o in of_alert.json()] == ["Evil.example"]
        elsewhere = (await world.soc.get(f"/api/v1/observable/{shared['_id']}/similar")).json()
        assert [o["extraData"]["parent"]["_id"] for o in elsewhere] == [second["_id"], alert["_id"]]
        assert (await world.soc.get(f"/api/v1/observable/{ignored['_id']}/similar")).json() == []

    async def test_never_across_organisations(self, world: Any) -> None:
        mine = await world.observable((await world.case())["_id"])
        theirs = await world.case(world.other)
        await world.observable(theirs["_id"], world.other)
        assert (await world.soc.get(f"/api/v1/observable/{mine['_id']}/similar")).json() == []

    async def test_the_most_alike_come_first(self, world: Any) -> None:
        case = await world.case()
        for name in ("a", "b", "c"):
            await world.observable(case["_id"], data=f"{name}.example")
        some = await world.alert(sourceRef="1", observables=[{"dataType": "domain", "data": "a.example", "ioc": True}])
        more = await world.alert(
            sourceRef="2", observables=[{"dataType": "domain", "data": f"{n}.example"} for n in ("a", "b", "z")]
        )
        caller = world.platform()
        parent = Parent("case", int(case["_id"][1:]), caller.org_id)
        async with world.hive.database.begin(caller.scope()) as session:
            found = await sharing(session, caller, parent, "alert")
            assert await sharing(session, caller, parent, "case") == []
        assert [(f"~{one.parent_id}", len(one.observables), one.iocs, dict(one.types)) for one in found] == [
            (more["_id"], 2, 0, {"domain": 2}), (some["_id"], 1, 1, {"domain": 1}),
        ]  # fmt: skip

    async def test_merging_what_cannot_be_twice(self, world: Any) -> None:
        case = await world.case()
        await world.observable(case["_id"])
        path = f"/api/v1/case/{case['_id']}/observable/_merge"
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post(path)).status_code == code
        assert (await world.soc.post(path)).json() == {"untouched": 1, "updated": 0, "deleted": 0}


class TestReceived:
    """In a case that another organisation shares, as far as the share allows."""

    async def received(self, world: Any, profile: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """A case of `soc` that `other` received, and its one shared observable."""
        case = await world.case()
        shown = await world.observable(case["_id"])
        await world.observable(case["_id"], data="hidden.example")
        number, other = int(case["_id"][1:]), world.organisations["other"]
        await world.owner.execute(
            "INSERT INTO case_shares (case_id, org_id, owner, profile_id, start_date)"
            " SELECT $1, $2, false, id, 1 FROM profiles WHERE name = $3", number, other, profile,
        )  # fmt: skip
        await world.owner.execute("INSERT INTO observable_shares VALUES ($1, $2)", int(shown["_id"][1:]), other)
        return case, shown

    async def test_a_receiver_may_what_the_share_allows(self, world: Any) -> None:
        case, shown = await self.received(world, "analyst")
        assert [o["_id"] for o in await of_case(world, case["_id"], world.other)] == [shown["_id"]]
        made = await world.observable(case["_id"], world.other, dataType="ip", data="192.0.2.1", tags=["theirs"])
        assert (await world.other.patch(f"/api/v1/observable/{shown['_id']}", json={"ioc": True})).status_code == 204
        job = await world.other.post("/api/connector/cortex/job", json={"analyzerId": "x", "artifactId": made["_id"]})
        assert job.status_code == 201
        export = await world.other.get(f"/api/v1/case/{case['_id']}/observable/_export?format=txt&protect=0")
        assert export.text.split() == ["evil.example", "192.0.2.1"]
        assert {o["data"] for o in await of_case(world, case["_id"])} == {"evil.example", "hidden.example", "192.0.2.1"}
        assert (await world.other.delete(f"/api/v1/observable/{made['_id']}")).status_code == 204

    async def test_and_nothing_else(self, world: Any) -> None:
        case, shown = await self.received(world, "read-only")
        body = {"dataType": "ip", "data": "192.0.2.1"}
        path = f"/api/v1/observable/{shown['_id']}"
        action = {"responderId": "x", "objectType": "case", "objectId": case["_id"]}
        answers = [
            await world.other.post(f"/api/v1/case/{case['_id']}/observable", json=body),
            await world.other.post(f"/api/v1/case/{case['_id']}/observable/_import", json={"text": "192.0.2.1"}),
            await world.other.patch(path, json={"ioc": True}),
            await world.other.patch("/api/v1/observable/_bulk", json={"ids": [shown["_id"]], "ioc": True}),
            await world.other.delete(path),
            await world.other.post("/api/connector/cortex/job", json={"analyzerId": "x", "artifactId": shown["_id"]}),
            await world.other.post("/api/connector/cortex/action", json=action),
        ]
        assert [one.status_code for one in answers] == [403] * 7
        assert (await world.other.get(path)).status_code == 200
