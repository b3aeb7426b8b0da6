"""Running workers over REST, with a real runner: forms of a request, cache, markings, limits, waiting, reports, files."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import time
import zipfile
from typing import Any

import pytest

from cortex.jobs import duration
from waggle.errors import BadRequest

IP = {"dataType": "ip", "data": "203.0.113.5"}


class TestAsking:
    async def test_job_has_the_contracts_form(self, api: Any) -> None:
        worker = await api.enable()
        body = {**IP, "tlp": 1, "pap": 3, "message": "42", "parameters": {"user": "a"}, "label": "L", "responderId": "ignored"}
        answer = await api.admin.post(f"/api/analyzer/{worker}/run", json=body)
        assert answer.status_code == 200
        job = answer.json()
        assert job["workerId"] == job["analyzerId"] == worker and job["workerName"] == job["analyzerName"] == "Echo_1_0"
        assert job["status"] == "Waiting" and job["type"] == "analyzer" and job["organization"] == "lab"
        assert (job["tlp"], job["pap"], job["message"], job["label"]) == (1, 3, "42", "L")
        assert job["parameters"] == {"user": "a"} and job["data"] == "203.0.113.5" and job["date"] == job["createdAt"]
        assert job["createdBy"] == "admin@lab"
        tag = hashlib.md5(f'{worker}|ip|1|203.0.113.5|{{"user":"a"}}'.encode()).hexdigest()
        assert job["cacheTag"] == tag
        for absent in ("startDate", "endDate", "updatedAt", "errorMessage", "input", "report", "attachment", "fromCache"):
            assert absent not in job

    async def test_sources_of_fields_are_interchangeable(self, api: Any) -> None:
        worker = await api.enable()
        cases: list[Any] = [
            {"json": {**IP, "tlp": "3", "pap": None, "message": None, "parameters": []}},
            {"data": {**IP, "tlp": "3"}},
            {"params": {**IP, "tlp": "3"}},
            {"json": {"dataType": "x", "tlp": 3}, "params": IP},
            {"json": {"data": "203.0.113.5", "attributes": {"dataType": "ip", "tlp": 3}}},
        ]
        for sent in cases:
            answer = await api.admin.post(f"/api/analyzer/{worker}/run", **sent)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["dataType"], answer.json()["data"], answer.json()["tlp"]) == ("ip", "203.0.113.5", 3)

    @pytest.mark.parametrize("part", ["data", "attachment"])
    async def test_files_come_as_parts_in_any_order(self, api: Any, part: str) -> None:
        worker = await api.enable()
        fields = {"_json": json.dumps({"dataType": "file", "tlp": 1, "data": None})}
        answer = await api.admin.post(
            f"/api/analyzer/{worker}/run", data=fields, files={part: ("a b.txt", b"hello", "text/plain")}
        )
        assert answer.status_code == 200, answer.text
        attachment = answer.json()["attachment"]
        sha256 = hashlib.sha256(b"hello").hexdigest()
        assert (attachment["id"], attachment["name"], attachment["size"]) == (sha256, "a b.txt", 5)
        assert attachment["contentType"] == "text/plain"
        assert attachment["hashes"] == [sha256, hashlib.sha1(b"hello").hexdigest(), hashlib.md5(b"hello").hexdigest()]
        assert "data" not in answer.json()

    async def test_what_is_missing_or_wrong_is_named(self, api: Any) -> None:
        worker = await api.enable()
        cases: list[Any] = [
            ({}, {"dataType"}),
            ({"dataType": "ip"}, {"data/attachment"}),
            ({"dataType": "ip", "data": ""}, {"data/attachment"}),
            ({**IP, "tlp": 4}, {"tlp"}),
            ({**IP, "tlp": -1}, {"tlp"}),
            ({**IP, "tlp": 1.5}, {"tlp"}),
            ({**IP, "tlp": True}, {"tlp"}),
            ({**IP, "pap": "x"}, {"pap"}),
            ({"dataType": "ip", "data": {"a": 1}}, {"data"}),
            ({"dataType": 1, "data": "x"}, {"dataType"}),
        ]
        for body, names in cases:
            answer = await api.admin.post(f"/api/analyzer/{worker}/run", json=body)
            assert answer.status_code == 400, answer.text
            assert answer.json()["type"] == "AttributeCheckingError"
            assert {e["name"] for e in answer.json()["errors"]} == names

    async def test_no_json_is_400(self, api: Any) -> None:
        worker = await api.enable()
        headers = {"Content-Type": "application/json"}
        cases: list[Any] = [b"{", b"[1]", b'"x"', b"\xff", b"[" * 5000]
        for content in cases:
            answer = await api.admin.post(f"/api/analyzer/{worker}/run", content=content, headers=headers)
            assert answer.status_code == 400 and answer.json()["type"] == "BadRequest"

    async def test_odd_values_reach_the_analyzer_as_they_are_or_are_refused(self, api: Any) -> None:
        """threats S22: they travel as JSON in a file, never on a command line."""
        worker = await api.enable()
        api.bench.start_runner()
        for data in ("-rf", "--help", ";id", "`id`", "$(id)", "a\nb", "\u202e", "\u0001", "x" * 100_000):
            body = {"dataType": "other", "data": data}
            job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=body)).json()["id"]
            ended = (await api.admin.get(f"/api/job/{job}/waitreport")).json()
            assert ended["status"] == "Success" and ended["report"]["full"]["value"] == data
        for data in ("a\0b", "\0"):
            answer = await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "other", "data": data})
            assert answer.status_code == 400

    async def test_text_and_file_together_are_refused(self, api: Any) -> None:
        worker = await api.enable()
        fields = {"_json": json.dumps({"dataType": "file"})}
        files = [("data", ("a", b"1")), ("attachment", ("b", b"2"))]
        answer = await api.admin.post(f"/api/analyzer/{worker}/run", data=fields, files=files)
        assert answer.status_code == 400

    async def test_unknown_worker_is_404(self, api: Any) -> None:
        answer = await api.admin.post("/api/analyzer/nothing/run", json=IP)
        assert answer.status_code == 404
        assert answer.json() == {"type": "NotFoundError", "message": "worker nothing not found"}


class TestReuse:
    async def ask(self, api: Any, worker: str, **changes: Any) -> dict[str, Any]:
        answer = await api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, **changes})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def test_equal_requests_share_a_waiting_job(self, api: Any) -> None:
        worker = await api.enable()
        first, second = await self.ask(api, worker), await self.ask(api, worker, message="else", pap=0)
        assert second["id"] == first["id"] and second["fromCache"] is True and "fromCache" not in first

    async def test_at_once_too(self, api: Any) -> None:
        worker = await api.enable()
        jobs = await asyncio.gather(*(self.ask(api, worker) for _ in range(20)))
        assert len({job["id"] for job in jobs}) == 1
        assert await api.bench.owner.fetchval("SELECT count(*) FROM jobs") == 1

    async def test_other_value_type_tlp_or_parameters_make_another_job(self, api: Any) -> None:
        worker = await api.enable()
        changes: list[dict[str, Any]] = [
            {}, {"data": "203.0.113.6"}, {"dataType": "other"}, {"tlp": 0}, {"parameters": {"user": "b"}}, {"force": 1},
        ]  # fmt: skip
        ids = {(await self.ask(api, worker, **change))["id"] for change in changes}
        assert len(ids) == len(changes)

    async def test_forced_job_answers_later_requests(self, api: Any) -> None:
        worker = await api.enable()
        await self.ask(api, worker)
        forced = await api.admin.post(f"/api/analyzer/{worker}/run?force=1", json=IP)
        assert (await self.ask(api, worker))["id"] == forced.json()["id"]

    @pytest.mark.parametrize("change", ["status = 'Failure'", "status = 'Deleted'", "status = 'Success', start_date = 1"])
    async def test_failed_deleted_and_old_jobs_are_not_reused(self, api: Any, change: str) -> None:
        worker = await api.enable()
        first = await self.ask(api, worker)
        await api.bench.owner.execute(f"UPDATE jobs SET {change}")
        assert (await self.ask(api, worker))["id"] != first["id"]

    async def test_a_worker_with_cache_zero_always_runs(self, api: Any) -> None:
        worker = await api.enable(jobCache=0)
        assert (await self.ask(api, worker))["id"] != (await self.ask(api, worker))["id"]

    async def test_responders_always_run(self, api: Any) -> None:
        api.flavor("Reply", kind="responder")
        worker = await api.enable("Reply_1_0", kind="responder")
        body = {"dataType": "thehive:case", "data": {"title": "x"}}
        jobs = [(await api.admin.post(f"/api/responder/{worker}/run", json=body)).json() for _ in range(2)]
        assert jobs[0]["id"] != jobs[1]["id"] and jobs[0]["data"] == {"title": "x"}


class TestPolicies:
    @pytest.mark.parametrize("marking, text", [("tlp", "TLP is higher than allowed."), ("pap", "PAP is higher than allowed.")])
    async def test_marking_over_the_limit_fails_before_the_worker_sees_the_data(self, api: Any, marking: str, text: str) -> None:
        worker = await api.enable(configuration={f"check_{marking}": True, f"max_{marking}": 2})
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, marking: 3})).json()
        assert (job["status"], job["errorMessage"]) == ("Failure", text)
        assert await api.bench.owner.fetchval("SELECT count(*) FROM dispatch") == 0
        report = (await api.admin.get(f"/api/job/{job['id']}/report")).json()["report"]
        assert report["success"] is False and report["errorMessage"] == text
        allowed = await api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, marking: 2})
        assert allowed.json()["status"] == "Waiting"

    async def test_classic_rate_is_a_429_and_cached_answers_do_not_count(self, api: Any) -> None:
        worker = await api.enable(rate=2, rateUnit="Hour")
        async with api.with_settings(rate_limit="refuse") as classic:
            for data in ("203.0.113.1", "203.0.113.2", "203.0.113.2"):
                assert (await classic.admin.post(f"/api/analyzer/{worker}/run", json={**IP, "data": data})).status_code == 200
            refused = await classic.admin.post(f"/api/analyzer/{worker}/run", json=IP)
        assert refused.status_code == 429
        message = "Rate limit of 2 per Hour reached for the analyzer Echo_1_0. Job cannot be started"
        assert refused.json() == {"type": "RateLimitExceeded", "message": message}

    async def test_classic_rate_holds_under_parallel_requests(self, api: Any) -> None:
        worker = await api.enable(rate=3, rateUnit="Hour")
        async with api.with_settings(rate_limit="refuse") as classic:
            asks = [classic.admin.post(f"/api/analyzer/{worker}/run", json={**IP, "data": f"203.0.113.{i}"}) for i in range(10)]
            statuses = sorted(a.status_code for a in await asyncio.gather(*asks))
        assert statuses == [200] * 3 + [429] * 7

    async def test_over_the_rate_a_job_waits_and_says_until_when(self, api: Any) -> None:
        worker = await api.enable(rate=2, rateUnit="Hour")
        asks = [api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, "data": f"203.0.113.{i}"}) for i in range(5)]
        jobs = sorted((answer.json() for answer in await asyncio.gather(*asks)), key=lambda job: job["startsAt"])
        assert [job["status"] for job in jobs] == ["Waiting"] * 5
        first = min(job["createdAt"] for job in jobs)
        hours = [round((job["startsAt"] - first) / 3_600_000, 2) for job in jobs]
        assert hours == [0, 0, 1, 1, 2]
        again = (await api.admin.post(f"/api/analyzer/{worker}/run", json={**IP, "data": jobs[4]["data"]})).json()
        assert again["id"] == jobs[4]["id"] and again["fromCache"] is True, "an equal job that waits is shared"
        api.bench.start_runner()
        for job in jobs[:2]:
            assert (await api.bench.ended(job["id"]))["status"] == "Success"
        due = "SELECT count(*) FROM dispatch WHERE not_before > now() + interval '50 minutes'"
        assert await api.bench.owner.fetchval(due) == 3

    async def test_workers_of_one_base_configuration_share_their_rate(self, api: Any) -> None:
        for name in ("One", "Two"):
            api.flavor(name, baseConfig="Account")
        one, two = [await api.enable(f"{name}_1_0", rate=1, rateUnit="Day") for name in ("One", "Two")]
        now = (await api.admin.post(f"/api/analyzer/{one}/run", json=IP)).json()
        later = (await api.admin.post(f"/api/analyzer/{two}/run", json=IP)).json()
        assert later["startsAt"] == now["startsAt"] + 86_400_000


class TestResults:
    async def test_report_artifacts_and_files(self, api: Any) -> None:
        worker = await api.enable()
        api.bench.start_runner()
        fields = {"_json": json.dumps({"dataType": "file"})}
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", data=fields, files={"data": ("x.bin", b"\0content")})).json()
        ended = (await api.reader.get(f"/api/job/{job['id']}/waitreport?atMost=Inf")).json()
        assert ended["status"] == "Success" and ended["startDate"] <= ended["endDate"]
        report = ended["report"]
        assert report["success"] is True and report["full"]["value"] == "x.bin"
        taxonomy = {"level": "safe", "namespace": "Echo", "predicate": "Value", "value": "x.bin"}
        assert report["summary"] == {"taxonomies": [taxonomy]}
        assert report["operations"] == [{"type": "AddTagToCase", "tag": "echo"}]
        value, file = report["artifacts"]
        assert value == {"dataType": "domain", "data": "found.example.org", "message": "seen", "tags": ["t"], "tlp": 2}
        sha256 = hashlib.sha256(b"\0content").hexdigest()
        attachment = {"contentType": "application/octet-stream", "id": sha256, "name": "copy.bin", "size": 8}
        assert file == {"dataType": "file", "message": None, "tags": [], "tlp": 2, "attachment": attachment}
        listed = await api.reader.get(f"/api/job/{job['id']}/artifacts")
        assert listed.headers["X-Total"] == "2" and listed.json()[0]["_type"] == "artifact"
        assert len((await api.reader.get(f"/api/job/{job['id']}/artifacts?range=1-2")).json()) == 1
        turned = await api.reader.get(f"/api/job/{job['id']}/artifacts?sort=-dataType")
        assert [one["dataType"] for one in turned.json()] == ["file", "domain"]

        got = await api.reader.get(f"/api/datastore/{sha256}?name=copy.bin")
        assert got.content == b"\0content" and 'filename="copy.bin"' in got.headers["Content-Disposition"]
        assert got.headers["Content-Security-Policy"] == "sandbox"
        zipped = await api.reader.get(f"/api/datastorezip/{sha256}?name=copy.bin")
        with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:  # the standard library opens it
            assert archive.read("copy.bin", pwd=b"malware") == b"\0content"
        for bad in ("a/b", 'a"b', "a\nb", "..\\x"):
            refused = await api.reader.get(f"/api/datastore/{sha256}", params={"name": bad})
            assert refused.status_code == 400
        stranger = await api.user("boss@other", ["read"], organisation="other")
        for caller, file_id in ((stranger, sha256), (api.reader, "00" * 32), (api.reader, "zz"), (api.reader, "../x")):
            assert (await caller.get(f"/api/datastore/{file_id}")).status_code == 404

    async def test_report_by_status(self, api: Any) -> None:
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        for status, word in (("Waiting", "Waiting"), ("InProgress", "Running"), ("Deleted", "Deleted")):
            await api.bench.owner.execute("UPDATE jobs SET status = $1", status)
            assert (await api.reader.get(f"/api/job/{job}/report")).json()["report"] == word

    async def test_waiting_returns_as_soon_as_the_job_ends_or_after_the_time(self, api: Any) -> None:
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        began = time.monotonic()
        late = await api.reader.get(f"/api/job/{job}/waitreport?atMost=300ms")
        assert late.json()["report"] == "Waiting" and 0.25 < time.monotonic() - began < 3
        waiting = [asyncio.create_task(api.reader.get(f"/api/job/{job}/waitreport?atMost=1 minute")) for _ in range(5)]
        await asyncio.sleep(0.2)
        api.bench.start_runner()
        for answer in await asyncio.gather(*waiting):
            assert answer.json()["status"] == "Success"
        assert (await api.reader.get(f"/api/job/{job}/waitreport?atMost=1s")).json()["status"] == "Success"

    async def test_unreadable_duration_is_400(self, api: Any) -> None:
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        cases: list[Any] = ["", "1", "minute", "1 fortnight", "-1s", "1e9s", "Infinity", "NaN", "9" * 40 + "s"]
        for text in cases:
            answer = await api.reader.get(f"/api/job/{job}/waitreport", params={"atMost": text})
            assert answer.status_code == 400 and answer.json()["type"] == "NumberFormatException"

    async def test_input_of_a_failed_job_is_shown_in_full_to_administrators_alone(self, api: Any) -> None:
        api.flavor("Bad", source="raise SystemExit(1)")
        worker = await api.enable("Bad_1_0", configuration={"max_tlp": 2})
        api.bench.start_runner()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        for client, sees in ((api.admin, True), (api.reader, False)):
            ended = (await client.get(f"/api/job/{job}/waitreport")).json()
            assert ended["status"] == "Failure" and "wrote no output.json" in ended["errorMessage"]
            assert ("config" in ended["input"]) is sees
            assert ("config" in json.loads(ended["report"]["input"])) is sees

    async def test_deleted_job_is_kept_out_of_searches_and_of_the_queue(self, api: Any) -> None:
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        assert (await api.admin.delete(f"/api/job/{job}")).status_code == 204
        assert (await api.admin.delete(f"/api/job/{job}")).status_code == 204
        assert (await api.admin.get(f"/api/job/{job}")).json()["status"] == "Deleted"
        assert (await api.admin.post("/api/job/_search", json={})).json() == []
        assert [j["id"] for j in (await api.admin.get("/api/job")).json()] == [job]
        assert await api.bench.owner.fetchval("SELECT count(*) FROM dispatch") == 0

    async def test_many_statuses_at_once(self, api: Any) -> None:
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        unknown = "0" * 32
        answer = await api.reader.post("/api/job/status", json={"jobIds": [job, unknown, "x"]})
        assert answer.json() == {job: "Waiting", unknown: "NotFound", "x": "NotFound"}

    async def test_unknown_ids_are_404(self, api: Any) -> None:
        cases: list[Any] = ["x", "0" * 32, "z" * 32, "~1", "%00", "0" * 31 + "\u0660"]
        for job_id in cases:
            for path in ("", "/report", "/waitreport", "/artifacts"):
                assert (await api.reader.get(f"/api/job/{job_id}{path}")).status_code == 404


class TestSearch:
    async def test_by_everything_clients_search_by(self, api: Any) -> None:
        worker = await api.enable()
        for data, tlp in (("203.0.113.1", 1), ("203.0.113.2", 2), ("203.0.113.3", 3)):
            await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": data, "tlp": tlp})
        fields = {"_json": json.dumps({"dataType": "file"})}
        await api.admin.post(f"/api/analyzer/{worker}/run", data=fields, files={"data": ("mail.eml", b"x")})

        async def found(query: Any, **more: Any) -> list[str]:
            answer = await api.reader.post("/api/job/_search", json={"query": query, "range": "all", **more})
            assert answer.status_code == 200, answer.text
            assert answer.headers["X-Total"] == str(len(answer.json()))
            return [job.get("data", "file") for job in answer.json()]

        one, two, three = "203.0.113.1", "203.0.113.2", "203.0.113.3"
        assert await found({}) == ["file", three, two, one]
        assert await found({"data": two}) == [two]
        assert await found({"data": "203.0.113"}) == []
        assert await found({"_field": "attachment.name", "_value": "mail.eml"}) == ["file"]
        assert await found({"tlp": 3}) == [three]
        assert await found({"_gte": {"tlp": "2"}}, sort=["-tlp", "+createdAt"]) == [three, two, "file"]
        assert await found({"_and": [{"status": "Waiting"}, {"dataType": "ip"}, {"_not": {"data": one}}]}) == [three, two]
        assert await found({"_or": [{"data": one}, {"data": two}]}, sort=["+createdAt"]) == [one, two]
        assert await found({"_in": {"_field": "data", "_values": [one, three, 5]}}) == [three, one]
        assert await found({"_wildcard": {"_field": "data", "_value": "203.0.113.?"}}) == [three, two, one]
        assert await found(
            {
                "_like": {"_field": "workerName", "_value": "echo"},
            }
        ) == ["file", three, two, one]
        assert await found({"_between": {"_field": "tlp", "_from": 0, "_to": 2}}) == [one]
        assert await found({"_contains": "attachment.name"}) == ["file"]
        assert (
            await found({"workerId": worker})
            == await found({"workerDefinitionId": "Echo_1_0"})
            == await found({"type": "analyzer"})
        )
        assert await found({"_type": "job"}) == await found({"organization": "lab"}) == await found({"_string": "*"})
        assert await found({"_id": "nonsense"}) == []
        assert await found({"_string": "203.0.113.2 OR nothing"}) == [two]
        assert await found({"_string": "status:Waiting AND tlp:[2 TO *] -dataType:file"}) == [three, two]
        assert await found({"_string": "data:203.0.113.?"}) == [three, two, one]
        assert await found({"_not": {"_contains": "attachment.name"}}) == [three, two, one]
        assert await found({"_in": {"_field": "tlp", "_values": [1, "3"]}}) == [three, one]
        assert await found({"_gt": {"attachment.size": 0}}) == await found({"_field": "attachment.name", "_value": "mail.eml"})
        assert await found({"_not": {"label": "none"}}) == ["file", three, two, one]
        newest = (await api.reader.post("/api/job/_search?range=0-1", json={})).json()[0]["id"]
        assert await found({"_id": newest}) == ["file"]

    async def test_old_filters(self, api: Any) -> None:
        worker = await api.enable()
        await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)
        for params in (
            {"dataFilter": IP["data"]},
            {"analyzerFilter": "Echo_1_0"},
            {"analyzerFilter": worker},
            {"dataTypeFilter": "ip"},
        ):
            assert len((await api.reader.get("/api/job", params=params)).json()) == 1
        assert (await api.reader.get("/api/job?dataTypeFilter=domain")).json() == []


class TestDurations:
    @pytest.mark.parametrize(
        "text, seconds",
        [("1minute", 60), ("30seconds", 30), ("1 second", 1), ("5s", 5), ("500ms", 0.5), ("2h", 7200), ("1d", 86400),
         ("1.5 min", 90), ("Inf", math.inf), ("+Inf", math.inf), (" Inf", math.inf), ("PlusInf", math.inf), ("3µs", 3e-6)],
    )  # fmt: skip
    def test_are_read_as_scala_does(self, text: str, seconds: float) -> None:
        assert duration.seconds(text) == pytest.approx(seconds)

    def test_others_are_refused(self) -> None:
        with pytest.raises(BadRequest):
            duration.seconds("soon")
