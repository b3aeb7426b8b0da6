"""TheHive 4's calls as its source makes them (contracts/cortex.md §8.1): the very bytes, for TheHive itself cannot be run here.

Play's client sends no Content-Length with a form (it streams it in chunks), the file part first and then `_json` with a null.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from rawhttp import Answer, send

pytestmark = pytest.mark.xdist_group("cortex-clients")
BOUNDARY = "-----------------------8721656041911415653955004498"
CASE = {
    "_id": "~41", "id": "~41", "_type": "case", "caseId": 7, "title": "A case", "tlp": 2, "pap": 2, "tags": ["a"],
    "customFields": {"hosts": {"integer": 3, "order": 0}}, "status": "Open",
}  # fmt: skip


class TheHive:
    """One call at a time, by key or by name and password, as a server's settings say."""

    def __init__(self, lab: Any) -> None:
        self.url, self.host = lab.url, urlsplit(lab.url).netloc
        self.authorization = f"Bearer {lab.key}"

    def get(self, path: str) -> Answer:
        return send(self.url, f"GET {path} HTTP/1.1\nAuthorization: {self.authorization}\n{self._rest}")

    def post(self, path: str, value: Any) -> Answer:
        head = f"POST {path} HTTP/1.1\nContent-Type: application/json\nAuthorization: {self.authorization}\n{self._rest}"
        return send(self.url, head, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())

    def upload(self, path: str, name: str, content: bytes, value: Any) -> Answer:
        disposition = f'Content-Disposition: form-data; name="data"; filename="{name}"\r\nContent-Type: text/plain'
        parts = [
            f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode(),
            content,
            f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="_json"\r\n\r\n{json.dumps(value)}'.encode(),
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        ]
        head = (
            f"POST {path} HTTP/1.1\nAuthorization: {self.authorization}\nContent-Type: multipart/form-data; boundary={BOUNDARY}\n"
        )
        return send(self.url, f"{head}Transfer-Encoding: chunked\n{self._rest}", b"".join(parts))

    @property
    def _rest(self) -> str:
        return f"Host: {self.host}\nAccept: */*\nUser-Agent: AHC/2.1"

    def polled(self, job: str) -> Any:
        """`waitreport` for a second, again and again, as its job actor does until the status is an end."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            answer = self.get(f"/api/job/{job}/waitreport?atMost=1%20second")
            assert answer.status == 200, answer.body
            assert answer.json["status"] in ("Waiting", "InProgress", "Success", "Failure")
            if answer.json["status"] in ("Success", "Failure"):
                return answer.json
        raise AssertionError("the job never ended")


@pytest.fixture
def thehive(lab: Any) -> TheHive:
    return TheHive(lab)


def is_job(job: Any, kind: str) -> None:
    """What TheHive's reader of a job asks for; it fails on what is missing."""
    for name in ("id", "workerId", "date", "status", "organization", "dataType", "type"):
        assert name in job, name
    assert job["type"] == kind and isinstance(job["date"], int)


def test_health_and_log_in_are_checked_every_minute(thehive: TheHive, lab: Any) -> None:
    status = send(lab.url, f"GET /api/status HTTP/1.1\nHost: {thehive.host}")
    release = [int(part) for part in status.json["versions"]["Cortex"].partition("-")[0].split(".")]
    assert status.status == 200 and release >= [3, 1, 6], "TheHive 5.5 refuses what is older"
    assert thehive.get("/api/user/current").json["id"] == "hive"
    thehive.authorization = "Bearer wrong"
    assert thehive.get("/api/user/current").status == 401


def test_analyzers_are_listed_and_resolved_by_name(thehive: TheHive, lab: Any) -> None:
    every = thehive.get("/api/analyzer?range=all")
    assert every.status == 200 and int(every.headers["x-total"]) == len(every.json)
    for worker in every.json:
        assert {"id", "name", "version", "description", "dataTypeList"} <= set(worker)
    strict = next(w for w in every.json if w["name"] == "Strict_1_0")
    assert (strict["maxTlp"], strict["maxPap"]) == (2, 2)
    assert strict["id"] == hashlib.md5(b"main-org_Strict_1_0_analyzer").hexdigest()
    by_type = thehive.get("/api/analyzer/type/ip").json
    assert strict["id"] in [w["id"] for w in by_type] and all("configuration" not in w for w in by_type)
    assert thehive.get("/api/analyzer/Strict_1_0").status == 404
    found = thehive.post("/api/analyzer/_search", {"query": {"_field": "name", "_value": "Strict_1_0"}, "range": "0-1"})
    assert [w["id"] for w in found.json] == [strict["id"]], "the range is in the body"
    some = thehive.post("/api/analyzer/_search", {"query": {}, "range": "0-2"})
    assert len(some.json) == 2 and int(some.headers["x-total"]) > 2


def test_a_value_is_analysed_and_polled(thehive: TheHive, lab: Any) -> None:
    wanted = {
        "tlp": 2, "pap": 2, "dataType": "domain", "message": "7", "data": "é.example.org",
        "parameters": {"organisation": "main-org", "user": "analyst@main.example"},
    }  # fmt: skip
    started = thehive.post(f"/api/analyzer/{lab.worker('Look_1_0')}/run", wanted)
    assert started.status == 200, started.body
    is_job(started.json, "analyzer")
    ended = thehive.polled(started.json["id"])
    is_job(ended, "analyzer")
    report = ended["report"]
    assert (ended["status"], report["success"], report["full"]["value"]) == ("Success", True, "é.example.org")
    assert report["full"]["parameters"] == wanted["parameters"] and ended["message"] == "7"
    assert report["summary"]["taxonomies"] == [
        {"level": "malicious", "namespace": "Look", "predicate": "Seen", "value": "é.example.org"}
    ]
    (artifact,) = report["artifacts"]
    assert artifact == {"dataType": "domain", "data": "found.example.org", "message": "seen", "tags": ["t"], "tlp": 2}
    assert report["operations"] == [{"type": "AddTagToCase", "tag": "look"}]


def test_a_file_is_sent_in_two_parts_and_what_was_found_is_fetched(thehive: TheHive, lab: Any) -> None:
    content = "naïve text\r\n".encode() * 1000
    wanted = {"tlp": 1, "pap": 2, "dataType": "file", "message": "7", "data": None, "parameters": {}}
    started = thehive.upload(f"/api/analyzer/{lab.worker('Look_1_0')}/run", "été.txt", content, wanted)
    assert started.status == 200, started.body
    assert started.json["attachment"]["id"] == hashlib.sha256(content).hexdigest()
    assert started.json["attachment"]["name"] == "été.txt" and "data" not in started.json
    ended = thehive.polled(started.json["id"])
    assert ended["report"]["full"]["size"] == len(content), ended
    (artifact,) = ended["report"]["artifacts"]
    assert artifact["tags"] == ["autoImport:true"] and set(artifact["attachment"]) == {"contentType", "id", "name", "size"}
    fetched = thehive.get(f"/api/datastore/{artifact['attachment']['id']}")
    assert fetched.status == 200 and fetched.body == content
    assert fetched.headers["content-disposition"].startswith("attachment")


def test_a_job_that_runs_is_told_as_running_after_a_second(thehive: TheHive, lab: Any) -> None:
    wanted = {"tlp": 2, "pap": 2, "dataType": "other", "message": "", "data": "2.5", "parameters": {}}
    job = thehive.post(f"/api/analyzer/{lab.worker('Sleep_1_0')}/run", wanted).json["id"]
    began = time.monotonic()
    first = thehive.get(f"/api/job/{job}/waitreport?atMost=1%20second").json
    assert 0.9 < time.monotonic() - began < 5
    assert (first["status"], first["report"]) in (("InProgress", "Running"), ("Waiting", "Waiting"))
    assert thehive.post("/api/job/status", {"jobIds": [job, "0" * 32, "x"]}).json == {
        job: first["status"], "0" * 32: "NotFound", "x": "NotFound"
    }  # fmt: skip
    assert thehive.polled(job)["status"] == "Success"


def test_what_fails_says_why_in_the_report(thehive: TheHive, lab: Any) -> None:
    wanted = {"tlp": 2, "pap": 2, "dataType": "ip", "message": "", "data": "203.0.113.9", "parameters": {}}
    ended = thehive.polled(thehive.post(f"/api/analyzer/{lab.worker('Refuse_1_0')}/run", wanted).json["id"])
    assert (ended["status"], ended["errorMessage"]) == ("Failure", "nothing to be found")
    report = ended["report"]
    assert report["success"] is False and report["errorMessage"] == "nothing to be found" and isinstance(report["input"], str)
    refused = thehive.post(f"/api/analyzer/{lab.worker('Strict_1_0')}/run", {**wanted, "pap": 3}).json
    assert thehive.polled(refused["id"])["report"]["errorMessage"] == "PAP is higher than allowed."


def test_responders_are_found_by_type_and_get_the_object(thehive: TheHive, lab: Any) -> None:
    query = {"query": {"_field": "dataTypeList", "_value": "thehive:case"}, "range": "all"}
    (responder,) = thehive.post("/api/responder/_search", query).json
    assert responder["name"] == "Reply_1_0" and thehive.get(f"/api/responder/{responder['id']}").json["id"] == responder["id"]
    wanted = {
        "label": "case #7 A case", "data": CASE, "dataType": "thehive:case", "tlp": 2, "pap": 2,
        "parameters": {"organisation": "main-org", "user": "analyst@main.example"},
    }  # fmt: skip
    started = thehive.post(f"/api/responder/{responder['id']}/run", wanted)
    assert started.status == 200 and started.json["data"] == CASE and started.json["label"] == "case #7 A case"
    is_job(started.json, "responder")
    ended = thehive.polled(started.json["id"])
    assert ended["report"]["full"] == {"title": "A case", "said": wanted["parameters"]}
    assert ended["report"]["operations"] == [{"type": "AddTagToCase", "tag": "replied"}, {"type": "CloseTask"}]
    again = thehive.post(f"/api/responder/{responder['id']}/run", wanted)
    assert again.json["id"] != started.json["id"], "a responder acts each time it is asked"


def test_a_server_may_be_reached_by_name_and_password(thehive: TheHive, lab: Any) -> None:
    login = {"login": "basic", "name": "B", "roles": ["read", "analyze"], "password": "the first password"}
    with lab.client() as client:
        assert client.post("/api/user", json=login).status_code == 201
    thehive.authorization = "Basic " + base64.b64encode(b"basic:the first password").decode()
    assert thehive.get("/api/user/current").json["id"] == "basic"
    assert thehive.get("/api/alert").json == []
