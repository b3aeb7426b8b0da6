"""MISP's two calls as its 2.5.1 makes them through curl (contracts/cortex.md §7, misp.md §7): the very bytes.

curl announces a body of more than a mebibyte with `Expect: 100-continue` and waits for leave to send it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import pyzipper
from rawhttp import Answer, send

pytestmark = pytest.mark.xdist_group("cortex-clients")


class Misp:
    def __init__(self, lab: Any) -> None:
        self.url = lab.url
        self.head = (
            f"Host: {urlsplit(lab.url).netloc}\nAccept-Encoding: gzip, deflate\nAccept: */*\nUser-Agent: MISP 2.5.1 (#abc)\n"
        )
        self.head += f"Authorization: Bearer {lab.key}"

    def modules(self) -> Answer:
        return send(self.url, f"GET /modules HTTP/1.1\n{self.head}", seconds=1)

    def query(self, body: dict[str, Any], *, seconds: float = 10) -> Answer:
        """`body` in MISP's order of keys. A long one is announced."""
        content = json.dumps(body, separators=(",", ":")).encode()
        expects = len(content) > 1 << 20
        head = f"POST /query HTTP/1.1\n{self.head}\nContent-Type: application/json"
        return send(self.url, head + ("\nExpect: 100-continue" if expects else ""), content, expects=expects, seconds=seconds)


@pytest.fixture
def misp(lab: Any) -> Misp:
    return Misp(lab)


def packed(name: str, content: bytes) -> str:
    """A malware sample as MISP stores it: a ZIP of two members with the password `infected`; newer ones take AES."""
    digest = hashlib.md5(content).hexdigest()
    file = io.BytesIO()
    with pyzipper.AESZipFile(file, "w", compression=pyzipper.ZIP_DEFLATED) as archive:
        archive.setpassword(b"infected")
        archive.setencryption(pyzipper.WZ_AES)
        archive.writestr(digest, content)
        archive.writestr(f"{digest}.filename.txt", name)
    return base64.b64encode(file.getvalue()).decode()


def test_the_list_is_what_misp_checks(misp: Misp) -> None:
    answer = misp.modules()
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/json")
    assert int(answer.headers["x-total"]) == len(answer.json)
    for module in answer.json:
        assert "cortex" in module["meta"]["module-type"] and module["meta"]["description"] and module["meta"]["config"] == []
        assert isinstance(module["mispattributes"]["input"], list) and "." not in module["name"] and "format" not in module


def test_an_attribute_is_enriched(misp: Misp) -> None:
    body = {
        "module": "Look_1_0",
        "ip-dst": "203.0.113.77",
        "event_id": "12",
        "attribute_uuid": "5f0fa1b2-0000-4000-8000-000000000001",
    }
    answer = misp.query(body)
    assert answer.status == 200
    found, cortex = answer.json["results"]
    assert found == {"types": ["domain"], "values": ["found.example.org"], "comment": "seen", "tags": ["t"]}
    assert cortex["types"] == ["cortex"]
    value = json.loads(cortex["values"][0])
    assert json.loads(value["full"])["value"] == "203.0.113.77" and json.loads(value["full"])["tlp"] == 2
    assert json.loads(value["summary"])["taxonomies"][0]["level"] == "malicious"


@pytest.mark.parametrize("misp_type", ["attachment", "malware-sample"])
def test_a_file_of_two_mebibytes_is_sent_when_it_is_asked_for(misp: Misp, misp_type: str) -> None:
    content = os.urandom(3 << 19)  # with base64 two mebibytes
    digest = hashlib.md5(content).hexdigest()
    if misp_type == "attachment":
        body = {"module": "Look_1_0", "attachment": "bad.exe", "data": base64.b64encode(content).decode()}
    else:
        body = {"module": "Look_1_0", "malware-sample": f"bad.exe|{digest}", "data": packed("bad.exe", content)}
    answer = misp.query(body)
    assert answer.interim == ["HTTP/1.1 100 Continue"] and answer.status == 200
    file, cortex = answer.json["results"]
    assert base64.b64decode(file["data"]) == content and file["types"] == ["malware-sample", "attachment"]
    full = json.loads(json.loads(cortex["values"][0])["full"])
    assert (full["name"], full["size"]) == ("bad.exe", len(content))


def test_a_marking_that_comes_along_is_honoured(misp: Misp) -> None:
    attribute = {"type": "ip-dst", "value": "203.0.113.78", "uuid": "5f0fa1b2-0000-4000-8000-000000000002"}
    refused = misp.query({"module": "Strict_1_0", "attribute": {**attribute, "Tag": [{"name": "tlp:red"}]}, "event_id": "1"})
    assert refused.status == 200 and refused.json == {"error": "TLP is higher than allowed."}
    assert "results" in misp.query({"module": "Strict_1_0", "attribute": attribute, "event_id": "1"}).json


def test_a_slow_analyzer_is_answered_in_time_and_a_repeat_gets_the_report(misp: Misp) -> None:
    body = {"module": "Sleep_1_0", "text": "4", "event_id": "1", "attribute_uuid": "u"}
    began = time.monotonic()
    late = misp.query(body)
    assert time.monotonic() - began < 9, "MISP gives up after ten seconds"
    assert late.status == 200 and late.json["error"].startswith("This job hasn't finished yet")
    while "error" in (answer := misp.query(body)).json:
        assert time.monotonic() - began < 40, answer.body
    assert json.loads(json.loads(answer.json["results"][-1]["values"][0])["full"]) == {"slept": "4"}


def test_what_goes_wrong_is_an_error_that_misp_shows(misp: Misp) -> None:
    assert misp.query({"module": "Refuse_1_0", "md5": "d41d8cd98f00b204e9800998ecf8427e"}).json == {
        "error": "nothing to be found"
    }
    assert misp.query({"module": "Nothing", "md5": "d41d"}).json == {"error": "Module Nothing not found"}
    broken = misp.query({"module": "Look_1_0", "malware-sample": "a|b", "data": "AAAA"})
    assert broken.status == 200 and "cannot be opened" in broken.json["error"]
