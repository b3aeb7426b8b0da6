"""MISP's two calls, as its 2.5.1 makes them: `GET /modules` within a second, `POST /query` within ten."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from typing import Any

import pytest
import pyzipper

from cortex.misp.types import data_type_of, inputs_of, output_types


async def test_modules_are_what_misp_needs(api: Any) -> None:
    await api.enable()
    began = time.monotonic()
    answer = await api.reader.get("/modules")
    assert answer.status_code == 200 and time.monotonic() - began < 1
    (module,) = answer.json()
    assert module["name"] == "Echo_1_0" and module["type"] == "cortex" and "format" not in module
    assert module["meta"]["module-type"] == ["cortex"] and module["meta"]["config"] == [] and module["meta"]["description"]
    assert {"ip-src", "ip-dst", "md5", "sha256", "attachment", "malware-sample"} <= set(module["mispattributes"]["input"])
    assert "domain" not in module["mispattributes"]["input"] and module["mispattributes"]["output"] == []


async def test_modules_follow_changes_of_workers(api: Any) -> None:
    worker = await api.enable()
    assert len((await api.reader.get("/modules")).json()) == 1
    await api.admin.delete(f"/api/analyzer/{worker}")
    assert (await api.reader.get("/modules")).json() == []


async def test_who_may_ask(api: Any) -> None:
    assert (await api.anonymous.get("/modules")).status_code == 401
    assert (await api.anonymous.post("/query", json={})).status_code == 401
    assert (await api.reader.post("/query", json={"module": "x", "md5": "y"})).status_code == 403


async def test_a_value_comes_back_enriched(api: Any) -> None:
    await api.enable()
    api.bench.start_runner()
    body = {"module": "Echo_1_0", "ip-src": "203.0.113.5", "event_id": "1", "attribute_uuid": "5f0f"}
    answer = await api.admin.post("/query", json=body)
    assert answer.status_code == 200
    found, cortex = answer.json()["results"]
    assert found == {"types": ["domain"], "values": ["found.example.org"], "tags": ["t"], "comment": "seen"}
    assert cortex["types"] == ["cortex"]
    text = json.loads(cortex["values"][0])
    assert json.loads(text["full"])["value"] == "203.0.113.5"
    assert json.loads(text["summary"])["taxonomies"][0]["level"] == "safe"
    job = (await api.reader.post("/api/job/_search", json={})).json()[0]
    assert (job["tlp"], job["pap"], job["dataType"]) == (2, 2, "ip"), "a request without a marking is AMBER (threats S18)"
    again = await api.admin.post("/query", json=body)
    assert again.json() == answer.json()
    assert len((await api.reader.post("/api/job/_search", json={})).json()) == 1


@pytest.mark.parametrize("misp_type", ["attachment", "malware-sample"])
async def test_files_are_taken_from_data(api: Any, misp_type: str) -> None:
    await api.enable()
    api.bench.start_runner()
    content = b"MZ a sample"
    name = hashlib.md5(content).hexdigest()
    value, data = "bad.exe", content
    if misp_type == "malware-sample":
        packed = io.BytesIO()
        with pyzipper.AESZipFile(packed, "w") as archive:
            archive.writestr(name, content)
            archive.writestr(f"{name}.filename.txt", "bad.exe")
        value, data = f"bad.exe|{name}", packed.getvalue()
    body = {"module": "Echo_1_0", misp_type: value, "event_id": "1", "data": base64.b64encode(data).decode()}
    answer = (await api.admin.post("/query", json=body)).json()
    assert "results" in answer, answer
    file = next(r for r in answer["results"] if "data" in r)
    assert file["types"] == ["malware-sample", "attachment"] and file["values"] == ["copy.bin"]
    assert base64.b64decode(file["data"]) == content
    job = (await api.reader.post("/api/job/_search", json={})).json()[0]
    assert job["attachment"]["name"] == "bad.exe" and job["attachment"]["id"] == hashlib.sha256(content).hexdigest()


async def test_answer_comes_before_misp_gives_up_and_a_repeat_finds_the_report(api: Any) -> None:
    await api.enable()
    async with api.with_settings(misp_wait_seconds=0.3) as impatient:
        body = {"module": "Echo_1_0", "md5": "d41d8cd98f00b204e9800998ecf8427e"}
        late = await impatient.admin.post("/query", json=body)
        assert late.status_code == 200 and late.json()["error"].startswith("This job hasn't finished yet")
        api.bench.start_runner()
        job = (await api.reader.post("/api/job/_search", json={})).json()[0]["id"]
        await api.bench.ended(job)
        assert "results" in (await impatient.admin.post("/query", json=body)).json()
    assert await api.bench.owner.fetchval("SELECT count(*) FROM jobs") == 1


async def test_failures_are_errors_with_status_200(api: Any) -> None:
    api.flavor("Bad", source="raise SystemExit(1)")
    await api.enable("Bad_1_0", configuration={"check_tlp": True, "max_tlp": 1})
    refused = await api.admin.post("/query", json={"module": "Bad_1_0", "domain": "example.org"})
    assert refused.status_code == 200 and refused.json() == {"error": "TLP is higher than allowed."}
    unknown = await api.admin.post("/query", json={"module": "Nothing", "domain": "example.org"})
    assert unknown.status_code == 404


async def test_what_is_no_question_is_400(api: Any) -> None:
    cases: list[Any] = [
        ({}, "Module parameter is not present in request"),
        ({"module": 3}, "Module parameter is not present in request"),
        ({"module": "Echo_1_0", "event_id": "1"}, "Request doesn't contain data to analyze"),
        ({"module": "Echo_1_0", "md5": ["x"]}, "Data has invalid type (expected string)"),
        ({"module": "Echo_1_0", "attachment": "a.txt"}, "Request doesn't contain data to analyze"),
        ({"module": "Echo_1_0", "attachment": "a.txt", "data": "%%%"}, "data is not base64"),
        ({"module": "Echo_1_0", "malware-sample": "a|b", "data": "AAAA"}, "ZIP cannot be opened"),
        ([], "the body must be a JSON object"),
    ]
    for body, text in cases:
        answer = await api.admin.post("/query", json=body)
        assert answer.status_code == 400 and text in answer.json()["message"]


class TestTypes:
    @pytest.mark.parametrize(
        "misp, ours",
        [("ip-dst", "ip"), ("hostname", "fqdn"), ("sha512/256", "hash"), ("email-subject", "mail_subject"),
         ("AS", "other"), ("new", "other")],
    )  # fmt: skip
    def test_inwards(self, misp: str, ours: str) -> None:
        assert data_type_of(misp) == ours

    @pytest.mark.parametrize(
        "data_type, value, first",
        [
            ("hash", "a" * 32, "md5"), ("hash", "a" * 40, "sha1"), ("hash", "a" * 64, "sha256"), ("hash", "odd", "md5"),
            ("hostname", "x", "hostname"), ("mail-subject", "x", "email-subject"), ("autonomous-system", "AS1", "other"),
        ],
    )  # fmt: skip
    def test_outwards_with_the_best_guess_first(self, data_type: str, value: str, first: str) -> None:
        assert output_types(data_type, value)[0] == first

    def test_inputs_have_no_repeats(self) -> None:
        inputs = inputs_of(["mail_subject", "mail-subject", "other", "hash", "nonsense"])
        assert len(inputs) == len(set(inputs)) and "email-subject" in inputs and "yara" in inputs
