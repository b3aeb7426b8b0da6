"""MISP's two calls, as its 2.5.1 makes them: `GET /modules` within a second, `POST /query` within ten."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from typing import Any

import pytest
from rusty_zip import ZipWriter

from cortex.misp.answers import MAX_CORTEX_TEXT
from cortex.misp.question import read
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
        with ZipWriter(packed, password=b"infected") as archive:  # the old cipher, as PHP's and Info-ZIP's zip write it
            archive.write_bytes(content, name)
            archive.write_bytes(b"bad.exe", f"{name}.filename.txt")
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
    assert unknown.status_code == 200 and unknown.json() == {"error": "Module Nothing not found"}
    files = [("%%%", "data is not base64"), ("AAAA", "ZIP cannot be opened")]
    for data, text in files:
        answer = await api.admin.post("/query", json={"module": "Bad_1_0", "malware-sample": "a|b", "data": data})
        assert answer.status_code == 200 and text in answer.json()["error"]


async def test_what_is_no_question_is_400(api: Any) -> None:
    cases: list[Any] = [
        ({}, "Module parameter is not present in request"),
        ({"module": 3}, "Module parameter is not present in request"),
        ({"module": "Echo_1_0", "event_id": "1"}, "Request doesn't contain data to analyze"),
        ({"module": "Echo_1_0", "md5": ["x"]}, "Data has invalid type (expected string)"),
        ({"module": "Echo_1_0", "attachment": "a.txt"}, "Request doesn't contain data to analyze"),
        ([], "the body must be a JSON object"),
    ]
    for body, text in cases:
        answer = await api.admin.post("/query", json=body)
        assert answer.status_code == 400 and text in answer.json()["message"]


class TestMarkings:
    """threats S18: an unmarked request gets the default, a marked one what it says; S15: what is unknown is RED."""

    @pytest.mark.parametrize(
        "marked, tlp, pap",
        [
            ({}, "AMBER", "AMBER"),
            ({"Tag": [{"name": "tlp:green"}, {"name": "TLP:RED"}, {"name": 'cossi:TLP="white"'}]}, "RED", "AMBER"),
            ({"Event": {"Tag": [{"name": "tlp:white"}, {"name": "PAP:GREEN"}]}}, "CLEAR", "GREEN"),
            ({"tags": ["tlp:amber+strict"]}, "AMBER+STRICT", "AMBER"),
            ({"tlp": "clear"}, "CLEAR", "AMBER"),
            ({"tlp": "tlp:green"}, "GREEN", "AMBER"),
            ({"Tag": [{"name": "tlp:unclear"}, {"name": 3}, "pap:odd"]}, "AMBER", "RED"),
            ({"Tag": [{"name": "tlp:purple"}]}, "RED", "AMBER"),
        ],
    )
    def test_the_strictest_tag_counts(self, marked: dict[str, Any], tlp: str, pap: str) -> None:
        simple = read({"module": "m", "md5": "d41d", **marked})
        assert (simple.tlp, simple.pap) == (tlp, pap)
        assert simple.candidates == (("hash", "d41d"),)

    def test_tags_of_the_attribute_itself_count(self) -> None:
        attribute = {"type": "md5", "value": "d41d", "uuid": "u", "Tag": [{"name": "tlp:green"}]}
        asked = read({"attribute": attribute, "event_id": "1", "module": "m"})
        assert (asked.tlp, asked.candidates) == ("GREEN", (("hash", "d41d"),))

    async def test_the_worker_s_limit_is_held_against_the_tag(self, api: Any) -> None:
        await api.enable(configuration={"check_tlp": True, "max_tlp": 2})
        red = {"type": "ip-dst", "value": "203.0.113.5", "uuid": "u", "Tag": [{"name": "tlp:red"}]}
        refused = await api.admin.post("/query", json={"module": "Echo_1_0", "attribute": red})
        assert refused.json() == {"error": "TLP is higher than allowed."}
        job = (await api.reader.post("/api/job/_search", json={})).json()[0]
        assert (job["tlp"], job["dataType"], job["data"]) == (3, "ip", "203.0.113.5")


async def test_what_misp_cannot_store_is_left_out_of_the_cortex_attribute(api: Any) -> None:
    source = """
    import json, pathlib, sys
    report = {"success": True, "full": {"long": "x" * 70000}, "summary": {"taxonomies": []}, "artifacts": [], "operations": []}
    (pathlib.Path(sys.argv[1]) / "output" / "output.json").write_text(json.dumps(report))
    """
    api.flavor("Long", source=source)
    await api.enable("Long_1_0")
    api.bench.start_runner()
    (only,) = (await api.admin.post("/query", json={"module": "Long_1_0", "md5": "d41d"})).json()["results"]
    assert only["types"] == ["cortex"] and len(only["values"][0]) <= MAX_CORTEX_TEXT
    assert "too long for an attribute" in json.loads(json.loads(only["values"][0])["full"])["note"]


async def test_modules_of_500_workers_are_there_in_a_tenth_of_a_second(api: Any) -> None:
    worker = await api.enable()
    columns = "definition_id, kind, flavor_version, author, url, license, base_config, config_sealed, public_config, created_at"
    columns += ", created_by"
    await api.bench.owner.execute(
        f"INSERT INTO workers (id, org_id, name, description, data_types, {columns}) SELECT md5(n::text), org_id, 'Worker_' || n,"
        f" repeat('d', 200), '{{ip,domain,other,hash,file}}', {columns} FROM workers, generate_series(1, 499) n WHERE id = $1",
        worker,
    )
    api.engine.modules.forget()
    first = await api.reader.get("/modules")
    assert first.headers["X-Total"] == "500" and len(first.json()) == 500
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert (await api.reader.get("/modules")).content == first.content
        times.append(time.perf_counter() - began)
    assert min(times) < 0.1, times


class TestTypes:
    @pytest.mark.parametrize(
        "misp, ours",
        [("ip-dst", "ip"), ("hostname", "fqdn"), ("sha512/256", "hash"), ("email-subject", "mail_subject"),
         ("AS", "other"), ("new", "other")],
    )  # fmt: skip
    def test_inwards(self, misp: str, ours: str) -> None:
        assert data_type_of(misp) == ours

    @pytest.mark.parametrize(
        "misp, value, takes, given",
        [
            ("filename|md5", "a|b.exe|d41d", ["hash", "other"], ("hash", "d41d")),
            ("filename|md5", "a|b.exe|d41d", ["filename"], ("filename", "a|b.exe")),
            ("filename|md5", "a.exe|d41d", ["other"], ("other", "a.exe|d41d")),
            ("domain|ip", "a.example|2001:db8::1", ["ip"], ("ip", "2001:db8::1")),
            ("ip-dst|port", "203.0.113.5|443", ["ip"], ("ip", "203.0.113.5")),
            ("ip-dst|port", "[2001:db8::1]:443", ["ip"], ("ip", "2001:db8::1")),
            ("hostname|port", "a.example|443", ["fqdn"], ("fqdn", "a.example")),
            ("md5", "d41d", ["ip"], ("hash", "d41d")),
        ],
    )  # fmt: skip
    def test_of_a_composite_value_the_worker_gets_the_half_it_takes(
        self, misp: str, value: str, takes: list[str], given: tuple[str, str]
    ) -> None:
        assert read({"module": "m", misp: value}).for_worker(takes) == given
        assert misp in inputs_of(takes) or misp == "md5"

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
