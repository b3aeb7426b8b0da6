"""The bridge to misp-modules, against the released server: both protocols (contracts/misp.md §6)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("cortex-clients")


def run(lab: Any, module: str, **wanted: Any) -> Any:
    """The ended job of a module."""
    with lab.client() as client:
        started = client.post(f"/api/analyzer/{lab.worker(module)}/run", **wanted)
        assert started.status_code == 200, started.text
        return client.get(f"/api/job/{started.json()['id']}/waitreport", params={"atMost": "40seconds"}).json()


def test_every_expansion_module_is_an_analyzer_and_no_other(lab: Any) -> None:
    with lab.client() as client:
        found = {d["id"]: d for d in client.get("/api/analyzerdefinition").json() if d["name"].startswith("MISPModule_")}
    assert len(found) > 60, "the server's own modules are there"
    mine = found["MISPModule_known_values_1_2"]
    assert (mine["dataTypeList"], mine["author"], mine["version"]) == (["ip", "hash", "file"], "Tests", "1.2")
    assert [item["name"] for item in mine["configurationItems"]] == ["api_key"] and mine["description"] == "Finds what it knows"
    assert found["MISPModule_known_objects_2"]["dataTypeList"] == ["domain", "fqdn", "hostname"]
    assert not [name for name in found if "csvimport" in name or "pdfexport" in name or "mattermost" in name]


def test_the_simple_protocol(lab: Any) -> None:
    with lab.client() as client:
        worker = lab.worker("MISPModule_known_values_1_2")
        changed = client.patch(f"/api/analyzer/{worker}", json={"configuration": {"api_key": "a-key-of-the-module"}})
        assert changed.status_code == 200
    ended = run(lab, "MISPModule_known_values_1_2", json={"dataType": "ip", "data": "203.0.113.5"})
    assert ended["status"] == "Success", ended
    report = ended["report"]
    assert report["summary"]["taxonomies"] == [
        {"level": "info", "namespace": "MISPModule", "predicate": "known_values", "value": "2 result(s)"}
    ]
    assert (report["full"]["module"], report["full"]["version"], len(report["full"]["results"])) == ("known_values", "1.2", 2)
    assert [(a["dataType"], a["data"]) for a in report["artifacts"]] == [
        ("domain", "known.example.org"), ("url", "http://known.example.net/x"), ("ip", "198.51.100.7"),
    ]  # fmt: skip
    first = report["artifacts"][0]
    assert first["tags"] == ["t"] and first["tlp"] == 2 and first["message"] == "by REMOVED", "secrets are not stored"


def test_the_standard_protocol(lab: Any) -> None:
    ended = run(lab, "MISPModule_known_objects_2", json={"dataType": "domain", "data": "asked.example.org"})
    assert ended["status"] == "Success", ended
    found = {(a["dataType"], a["data"]): a for a in ended["report"]["artifacts"]}
    assert set(found) == {("hash", "ab" * 32), ("ip", "198.51.100.9")}, "the value that was asked about is no finding"
    assert found["hash", "ab" * 32]["tags"] == ["tlp:green"] and found["ip", "198.51.100.9"]["message"] == "passive-dns/ip"


def test_files_go_and_come_back(lab: Any) -> None:
    content = b"MZ\x00 a sample"
    ended = run(lab, "MISPModule_known_values_1_2", files={"data": ("a.bin", content)}, data={"_json": '{"dataType": "file"}'})
    assert ended["status"] == "Success", ended
    (artifact,) = ended["report"]["artifacts"]
    assert artifact["attachment"]["name"] == "copy.bin" and artifact["attachment"]["id"] == hashlib.sha256(content).hexdigest()


def test_the_module_s_own_words_are_the_failure(lab: Any) -> None:
    ended = run(lab, "MISPModule_known_values_1_2", json={"dataType": "ip", "data": "203.0.113.200"})
    assert (ended["status"], ended["errorMessage"]) == ("Failure", "the quota is used up")


@pytest.mark.parametrize(
    "module, data_type, data, found",
    [
        ("eql", "ip", "198.51.100.7", "198.51.100.7"),
        ("extract_url_components", "url", "https://evil.example.com:8443/a/b.php?x=1#f", "8443"),
    ],
)
def test_modules_as_they_are_released(lab: Any, module: str, data_type: str, data: str, found: str) -> None:
    with lab.client() as client:
        name = next(
            w["name"] for w in client.get("/api/analyzer?range=all").json() if w["name"].startswith(f"MISPModule_{module}_")
        )
    ended = run(lab, name, json={"dataType": data_type, "data": data})
    assert ended["status"] == "Success", ended
    assert found in str(ended["report"]["full"]["results"])
