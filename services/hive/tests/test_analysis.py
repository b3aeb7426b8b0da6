"""Asking for analyses, the limits of markings, and what a report does to its observable."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from hive.events.alerts import on_alert
from hive.events.analysis import on_analysis
from hive.events.consumers import _bound
from hive.events.misp import on_misp
from waggle.contracts.envelope import DataRef, Envelope
from waggle.contracts.messages import MESSAGES
from waggle.ids import now_ms, uuid7
from waggle.messaging import Delivery, Poison

WORKERS = [
    {"id": "w1", "name": "FileInfo", "version": "8.0", "kind": "analyzer", "data_types": ["file"], "max_tlp": "AMBER"},
    {
        "id": "w2", "name": "DomainParts", "version": "1.0", "kind": "analyzer", "data_types": ["domain", "url"],
        "max_tlp": "AMBER",
    },
    {
        "id": "w3", "name": "Anything", "version": "1.0", "kind": "analyzer", "data_types": ["domain", "ip", "other"],
        "max_pap": "GREEN",
    },
    {"id": "w4", "name": "Mailer", "version": "1.0", "kind": "responder", "data_types": ["thehive:case"]},
]  # fmt: skip
VERDICT = {"level": "malicious", "namespace": "Parts", "predicate": "Score", "value": 9}


def delivery(
    kind: str, data: dict[str, Any] | None, *, organisation: str | None = "soc", source: str = "cortex",
    message_id: UUID | None = None, queue: str = "hive.analysis", time: int | None = None, data_ref: DataRef | None = None,
) -> Delivery:  # fmt: skip
    """A message as the bus hands it over once it has checked the sender."""
    envelope = Envelope(
        id=message_id or uuid7(), type=kind, source=source, time=time or now_ms(), organisation=organisation, key="test",
        data=data, data_ref=data_ref,
    )  # fmt: skip
    message = MESSAGES[kind].model_validate(data) if data is not None else None
    return Delivery(envelope, message, 1, queue)


@pytest.fixture
async def workers(world: Any) -> None:
    await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": WORKERS}, source="cortex@local"))


async def asked(world: Any, observable: dict[str, Any], worker: str = "w2") -> dict[str, Any]:
    body = {"analyzerId": worker, "artifactId": observable["_id"], "cortexId": "local"}
    answer = await world.soc.post("/api/connector/cortex/job", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def completed(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "job_id": job["_id"], "cortex_job_id": "c1", "status": "Success", "summary": {"taxonomies": [VERDICT]},
        "report": {"parts": ["evil", "example\0"]}, "artifacts": [{"data_type": "domain", "data": "example", "tags": ["found"]}],
        "operations": [{"type": "AddTagToCase", "tag": "x"}], **more,
    }  # fmt: skip


class TestWorkers:
    async def test_are_empty_without_cortex(self, world: Any) -> None:
        assert (await world.soc.get("/api/connector/cortex/analyzer")).json() == []

    @pytest.mark.usefixtures("workers")
    async def test_by_type(self, world: Any) -> None:
        listed = (await world.reader.get("/api/v1/connector/cortex/analyzer?range=all")).json()
        assert [w["name"] for w in listed] == ["Anything", "DomainParts", "FileInfo"]
        assert (listed[1]["dataTypeList"], listed[1]["cortexIds"], listed[1]["maxTlp"]) == (["domain", "url"], ["local"], 2)
        by_type = (await world.soc.get("/api/connector/cortex/analyzer/type/url")).json()
        assert [w["id"] for w in by_type] == ["w2"]
        assert (await world.soc.get("/api/connector/cortex/analyzer/w1")).json()["name"] == "FileInfo"
        assert (await world.soc.get("/api/connector/cortex/analyzer/nothing")).status_code == 404

    @pytest.mark.usefixtures("workers")
    async def test_a_later_list_replaces_and_an_older_one_does_not(self, world: Any) -> None:
        await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": []}, time=1))
        assert len((await world.soc.get("/api/connector/cortex/analyzer")).json()) == 3
        await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": WORKERS[:1]}))
        assert [w["id"] for w in (await world.soc.get("/api/connector/cortex/analyzer")).json()] == ["w1"]
        with pytest.raises(Poison):
            await on_analysis(world.hive, delivery("worker.catalog_changed.v1", {"workers": []}, source="cortex@elsewhere"))


@pytest.mark.usefixtures("workers")
class TestRequest:
    async def test_access(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        body = {"analyzerId": "w2", "artifactId": observable["_id"]}
        for client, code in ((world.anonymous, 401), (world.reader, 403), (world.other, 404)):
            assert (await client.post("/api/connector/cortex/job", json=body)).status_code == code
        assert await world.outbox("analysis.requested.v1") == []

    async def test_leaves_as_a_message_to_the_instance(self, world: Any) -> None:
        case = await world.case()
        observable = await world.observable(case["_id"], tlp=1)
        job = await asked(world, observable)
        assert (job["status"], job["analyzerName"], job["analyzerDefinition"]) == ("Waiting", "DomainParts", "DomainParts_1_0")
        (message,) = await world.outbox("analysis.requested.v1")
        assert (message["target"], message["organisation"], message["key"]) == ("local", "soc", f"job:{job['_id']}")
        data = message["data"]
        assert (data["job_id"], data["worker_id"], data["data_type"], data["data"]) == (
            job["_id"],
            "w2",
            "domain",
            "evil.example",
        )
        assert (data["tlp"], data["pap"], data["message"]) == ("GREEN", "AMBER", str(case["number"]))

    async def test_a_file_is_named_and_may_be_fetched(self, world: Any) -> None:
        case = await world.case()
        made = await world.soc.post(
            f"/api/v1/case/{case['_id']}/observable",
            data={"_json": '{"dataType": "file"}'},
            files={"attachment": ("a.exe", b"MZ")},
        )
        await asked(world, made.json()[0], "w1")
        (message,) = await world.outbox("analysis.requested.v1")
        file = message["data"]["file"]
        assert (file["name"], file["size"]) == ("a.exe", 2)
        path = file["url"].removeprefix("http://hive.test")
        assert (await world.client("cortex-service-key").get(path)).content == b"MZ"
        assert (await world.soc.get(path)).status_code == 401

    async def test_what_cannot_run_fails_with_the_reason(self, world: Any) -> None:
        case = await world.case()
        red = await world.observable(case["_id"], tlp=4)
        strict = await world.observable(case["_id"], data="strict.example", tlp=3)
        plain = await world.observable(case["_id"], data="plain.example")
        expected = [
            (red, "w2", "TLP is higher than allowed: the observable is TLP:RED, DomainParts takes up to TLP:AMBER"),
            (strict, "w2", "TLP is higher than allowed: the observable is TLP:AMBER+STRICT, DomainParts takes up to TLP:AMBER"),
            (plain, "w3", "PAP is higher than allowed: the observable is PAP:AMBER, Anything takes up to PAP:GREEN"),
            (plain, "w1", "FileInfo does not take observables of type domain"),
            (plain, "nothing", "no Cortex server has the analyzer nothing"),
        ]
        for observable, worker, reason in expected:
            job = await asked(world, observable, worker)
            assert (job["status"], job["errorMessage"], job["report"]["errorMessage"]) == ("Failure", reason, reason)
        unknown = await world.soc.post(
            "/api/connector/cortex/job", json={"analyzerId": "w2", "artifactId": plain["_id"], "cortexId": "x"}
        )
        assert (unknown.status_code, unknown.json()["errorMessage"]) == (201, "Cortex server x is not configured")
        assert await world.outbox("analysis.requested.v1") == []

    async def test_a_batch(self, world: Any) -> None:
        case = await world.case()
        one = await world.observable(case["_id"])
        body = {"jobs": [{"analyzerId": "w2", "artifactId": one["_id"]}, {"analyzerId": "x", "artifactId": one["_id"]}]}
        answer = await world.soc.post("/api/v1/connector/cortex/job/_bulk", json=body)
        assert [j["status"] for j in answer.json()] == ["Waiting", "Failure"]
        listed = await world.query({"_name": "getObservable", "idOrName": one["_id"]}, {"_name": "jobs"})
        assert {j["_id"] for j in listed} == {j["_id"] for j in answer.json()}


@pytest.mark.usefixtures("workers")
class TestReport:
    async def test_arrives_on_the_observable_once(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        job = await asked(world, observable)
        await on_analysis(
            world.hive, delivery("analysis.started.v1", {"job_id": job["_id"], "cortex_job_id": "c1", "attempt": 1})
        )
        assert (await world.soc.get(f"/api/connector/cortex/job/{job['_id']}")).json()["status"] == "InProgress"
        done = delivery("analysis.completed.v1", completed(job))
        await on_analysis(world.hive, done)
        await on_analysis(world.hive, done)
        twin = completed(job, status="Failure", error_message="late")
        await on_analysis(world.hive, delivery("analysis.completed.v1", twin))
        await on_analysis(
            world.hive, delivery("analysis.started.v1", {"job_id": job["_id"], "cortex_job_id": "c2", "attempt": 2})
        )
        shown = (await world.reader.get(f"/api/connector/cortex/job/{job['_id']}")).json()
        assert (shown["status"], shown["cortexJobId"]) == ("Success", "c1")
        assert shown["report"]["full"] == {"parts": ["evil", "example\ufffd"]}
        (artifact,) = shown["report"]["artifacts"]
        assert {k: v for k, v in artifact.items() if k != "_id"} == {
            "dataType": "domain", "data": "example", "tags": ["found"], "tlp": 2,
        }  # fmt: skip
        after = (await world.soc.get(f"/api/v1/observable/{observable['_id']}")).json()
        line = {"level": "malicious", "namespace": "Parts", "predicate": "Score", "value": "9"}
        assert after["reports"] == {"DomainParts": {"taxonomies": [line]}}
        assert await world.owner.fetchval("SELECT count(*) FROM job_artifacts") == 1
        assert await world.owner.fetchval("SELECT count(*) FROM verdicts") == 1

    async def test_a_new_run_replaces_the_verdicts_of_the_analyzer(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        for value in ("1", "2"):
            job = await asked(world, observable)
            lines = {"taxonomies": [{**VERDICT, "value": value}]}
            await on_analysis(world.hive, delivery("analysis.completed.v1", completed(job, summary=lines)))
        after = (await world.soc.get(f"/api/v1/observable/{observable['_id']}")).json()
        assert [t["value"] for t in after["reports"]["DomainParts"]["taxonomies"]] == ["2"]
        assert await world.owner.fetchval("SELECT array_agg(value) FROM verdicts") == ["2"]

    async def test_a_long_report_is_kept_whole(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        job = await asked(world, observable)
        report = {"lines": ["x" * 1000] * 400}
        await on_analysis(world.hive, delivery("analysis.completed.v1", completed(job, report=report)))
        shown = (await world.soc.get(f"/api/connector/cortex/job/{job['_id']}")).json()
        assert shown["report"]["full"] == report
        assert await world.owner.fetchval("SELECT report_sha256 IS NOT NULL FROM jobs")

    async def test_a_failure_says_why(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        job = await asked(world, observable)
        failed = {"job_id": job["_id"], "status": "Failure", "error_message": "the analyzer printed nothing"}
        await on_analysis(world.hive, delivery("analysis.completed.v1", failed))
        shown = (await world.soc.get(f"/api/connector/cortex/job/{job['_id']}")).json()
        assert (shown["status"], shown["report"]) == (
            "Failure", {"success": False, "errorMessage": "the analyzer printed nothing", "artifacts": []},
        )  # fmt: skip

    async def test_a_job_of_another_organisation_is_out_of_reach(self, world: Any) -> None:
        observable = await world.observable((await world.case())["_id"])
        job = await asked(world, observable)
        for organisation in ("other", "nowhere", None):
            with pytest.raises(Poison):
                await on_analysis(world.hive, delivery("analysis.completed.v1", completed(job), organisation=organisation))
        assert (await world.soc.get(f"/api/connector/cortex/job/{job['_id']}")).json()["status"] == "Waiting"

    async def test_data_is_never_fetched_from_strangers(self, world: Any) -> None:
        reference = DataRef(sha256="a" * 64, size=3, url="http://169.254.169.254/latest")
        with pytest.raises(Poison, match="no neighbour"):
            await on_analysis(world.hive, delivery("analysis.completed.v1", None, data_ref=reference))


RAISED = {
    "alert": {
        "type": "misp", "source": "circl", "source_ref": "5f1f", "title": "Event", "description": "d", "severity": 2,
        "date": 1000, "tlp": "GREEN", "tags": ["tlp:green"], "last_sync_date": 100,
    },
    "observables": [
        {"data_type": "domain", "data": "evil.example", "ioc": True, "origin": {"attribute": "a1"}, "first_seen": 5},
        {"data_type": "windows-service-name", "data": "svc", "origin": {"attribute": "a2"}},
    ],
}  # fmt: skip


def raised(publish: int, **more: Any) -> dict[str, Any]:
    return {**RAISED, "alert": {**RAISED["alert"], "last_sync_date": publish, **more.pop("alert", {})}, **more}


async def tell(world: Any, data: dict[str, Any], **more: Any) -> None:
    await on_alert(world.hive, delivery("alert.raised.v1", data, source="misp-connector", queue="hive.alerts", **more))


class TestRaised:
    async def test_makes_one_alert_however_often_it_comes(self, world: Any) -> None:
        identifier = uuid7()
        for _ in range(2):
            await tell(world, raised(100), message_id=identifier)
        await tell(world, raised(100))
        (alert,) = await world.query({"_name": "listAlert"})
        assert (alert["type"], alert["source"], alert["sourceRef"], alert["tlpLabel"]) == ("misp", "circl", "5f1f", "GREEN")
        assert (alert["status"], alert["lastSyncDate"], alert["_createdBy"]) == ("New", 100, "system@thehive.local")
        observables = await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "observables"})
        assert [(o["dataType"], o["data"], o["ioc"], o["tags"]) for o in observables] == [
            ("domain", "evil.example", True, []), ("other", "svc", False, ["type:windows-service-name"]),
        ]  # fmt: skip
        assert len(await world.outbox("alert.created.v1")) == 1
        assert await world.query({"_name": "listAlert"}, client=world.other) == []

    async def test_a_later_publish_changes_the_same_alert(self, world: Any) -> None:
        await tell(world, raised(100))
        (before,) = await world.query({"_name": "listAlert"})
        mine = {"dataType": "ip", "data": "192.0.2.9"}
        assert (await world.soc.post(f"/api/v1/alert/{before['_id']}/observable", json=mine)).status_code == 201
        observables = [RAISED["observables"][0], {"data_type": "ip", "data": "192.0.2.1", "origin": {"attribute": "a3"}}]
        await tell(world, raised(200, alert={"title": "Event II", "tags": ["new"]}, observables=observables))
        (after,) = await world.query({"_name": "listAlert"})
        assert (after["_id"], after["title"], after["status"], after["tags"]) == (
            before["_id"], "Event II", "Updated", ["tlp:green", "new"],
        )  # fmt: skip
        stored = await world.query({"_name": "getAlert", "idOrName": after["_id"]}, {"_name": "observables"})
        assert {o["data"] for o in stored} == {"evil.example", "svc", "192.0.2.9", "192.0.2.1"}  # the analyst's own stays
        assert {o["data"] for o in stored if "misp:removed" in o["tags"]} == {"svc"}  # shown, not deleted
        assert after["observableCount"] == 4
        await tell(world, raised(150, alert={"title": "Old news"}))
        assert (await world.query({"_name": "listAlert"}))[0]["title"] == "Event II"

    async def test_an_alert_that_is_not_followed_stays(self, world: Any) -> None:
        await tell(world, raised(100))
        (alert,) = await world.query({"_name": "listAlert"})
        await world.soc.post(f"/api/v1/alert/{alert['_id']}/unfollow")
        await tell(world, raised(200, alert={"title": "Event II"}))
        assert (await world.query({"_name": "listAlert"}))[0]["title"] == "Event"

    async def test_an_imported_alert_is_unread_again(self, world: Any) -> None:
        await tell(world, raised(100))
        (alert,) = await world.query({"_name": "listAlert"})
        await world.soc.post(f"/api/v1/alert/{alert['_id']}/case", json={})
        await tell(world, raised(200, alert={"title": "Event II"}))
        (after,) = await world.query({"_name": "listAlert"})
        assert (after["status"], after["read"], after["title"]) == ("Imported", False, "Event II")

    async def test_only_named_changes_when_not_complete(self, world: Any) -> None:
        gone = "7b1c2c1e-3c8f-4a39-9a55-0e4c7a000001"
        first = [{"data_type": "ip", "data": "192.0.2.1", "origin": {"attribute": gone}}, RAISED["observables"][0]]
        await tell(world, raised(100, observables=first))
        await tell(world, raised(200, observables=[], complete=False, removed=[gone]))
        (alert,) = await world.query({"_name": "listAlert"})
        stored = await world.query({"_name": "getAlert", "idOrName": alert["_id"]}, {"_name": "observables"})
        assert {o["data"]: "misp:removed" in o["tags"] for o in stored} == {"192.0.2.1": True, "evil.example": False}

    async def test_odd_texts_are_mended_and_bad_ones_refused_for_good(self, world: Any) -> None:
        observables = [{"data_type": "other", "data": "a\0b", "message": "\0", "tags": ["x\0"]}]
        await tell(world, raised(100, alert={"title": "nul \0"}, observables=observables))
        (alert,) = await world.query({"_name": "listAlert"})
        assert alert["title"] == "nul \ufffd"
        await world.owner.execute("DELETE FROM observable_types WHERE name = 'other'")
        world.hive.catalogues.forget()
        bound = _bound(world.hive, on_alert)
        unknown = raised(100, alert={"source_ref": "x"}, observables=[{"data_type": "no such type", "data": "x"}])
        with pytest.raises(Poison, match="observable type other"):
            await bound(delivery("alert.raised.v1", unknown, source="misp-connector", queue="hive.alerts"))

    async def test_a_source_that_is_gone_is_marked(self, world: Any) -> None:
        uuid = "7b1c2c1e-3c8f-4a39-9a55-0e4c7a000009"
        await tell(world, raised(100, alert={"source_ref": uuid}))
        gone = {"instance": "circl", "event_uuids": [uuid]}
        await on_alert(world.hive, delivery("alert.source_gone.v1", gone, source="misp-connector", queue="hive.alerts"))
        assert "source:gone" in (await world.query({"_name": "listAlert"}))[0]["tags"]


class TestMisp:
    async def test_without_instances(self, world: Any) -> None:
        assert (await world.soc.get("/api/v1/connector/misp/status")).json() == {"status": {}, "syncInProgress": False}
        case = await world.case()
        answer = await world.soc.post(f"/api/v1/connector/misp/export/{case['_id']}/nothing")
        assert (answer.status_code, answer.json()) == (404, {"type": "NotFoundError", "message": "MISP server nothing not found"})
        assert (await world.soc.get("/api/v1/connector/misp/_syncAlerts")).status_code == 204
        assert len(await world.outbox("misp.poll_requested.v1")) == 1

    async def test_an_export_is_asked_for_and_ends(self, world: Any) -> None:
        instance = {"name": "circl", "url": "https://misp.example", "purpose": "ImportAndExport", "status": "OK"}
        await on_misp(world.hive, delivery("misp.instance_changed.v1", instance, organisation=None, source="misp-connector"))
        assert "circl" in (await world.soc.get("/api/v1/connector/misp/status")).json()["status"]
        case = await world.case()
        await world.observable(case["_id"], ioc=True)
        await world.observable(case["_id"], data="no-ioc.example")
        path = f"/api/v1/connector/misp/export/{case['_id']}/circl"
        assert (await world.reader.post(path)).status_code == 403
        assert (await world.soc.post(path)).status_code == 204
        (message,) = await world.outbox("case.export.requested.v1")
        assert message["data"]["instance"] == "circl"
        (row,) = await world.owner.fetch("SELECT state, event_uuid FROM case_exports")
        done = {"case_id": case["_id"], "instance": "circl", "event_uuid": str(row["event_uuid"]), "event_id": "7"}
        await on_misp(world.hive, delivery("case.exported.v1", done, source="misp-connector", queue="hive.misp"))
        assert await world.owner.fetchval("SELECT state FROM case_exports") == "done"
