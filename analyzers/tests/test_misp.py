"""MISP Search against small servers on loopback that answer as MISP's REST API does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from running import Run, verdicts

EVENT_UUID = "5b1e3a4c-0000-4000-8000-000000000001"
EVENT = {
    "id": "7",
    "uuid": EVENT_UUID,
    "info": "Phishing wave",
    "date": "2026-11-01",
    "Orgc": {"name": "CSIRT"},
    "Tag": [{"name": "tlp:green", "colour": "#33ff00"}],
    "attribute_count": "3",
}
ATTRIBUTE = {"event_id": "7", "type": "domain", "category": "Network activity", "value": "evil.example", "to_ids": True}


class Misp(BaseHTTPRequestHandler):
    asked: ClassVar[list[dict[str, Any]]] = []

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def answer(self, content: Any, status: int = 200) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "good-key":
            self.answer({"message": "Authentication failed"}, 403)
        elif self.path.startswith("/users/view/me"):
            self.answer({"User": {"id": "1", "role_id": "3"}, "Role": {"id": "3", "perm_add": True}, "UserSetting": []})
        elif "describeTypes" in self.path:
            kinds = {"sane_defaults": {}, "types": [], "categories": [], "category_type_mappings": {}}
            self.answer({"result": kinds})
        else:
            self.answer({"version": "2.5.1", "pymisp_recommended_version": "2.5.34", "perm_sync": False})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Misp.asked.append(body)
        if self.path.startswith("/attributes"):
            found = [ATTRIBUTE] if body["value"] == "evil.example" else []
            self.answer({"response": {"Attribute": found}})
        else:
            self.answer({"response": [{"Event": EVENT}]})


@pytest.fixture
def misp() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Misp)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_hit_shows_its_events_and_matches(run: Run, misp: str) -> None:
    report = run(
        "MISP", "domain", "evil.example", config={"url": [misp], "key": ["good-key"], "name": ["CSIRT"], "ids_taxonomy": True}
    )
    result = report["full"]["results"][0]
    assert (result["name"], result["url"]) == ("CSIRT", misp)
    assert result["result"][0]["uuid"] == EVENT_UUID
    assert result["result"][0]["matches"][0]["value"] == "evil.example"
    assert "attribute_count" not in result["result"][0]
    assert verdicts(report) == [("suspicious", "Search", "1 event"), ("malicious", "IDS", "1 attribute")]


def test_no_hit(run: Run, misp: str) -> None:
    report = run("MISP", "domain", "good.example", config={"url": [misp], "key": ["good-key"]})
    assert verdicts(report) == [("info", "Search", "0 events")]


def test_one_server_down_is_named_and_the_other_counts(run: Run, misp: str) -> None:
    config = {"url": [misp, "http://127.0.0.1:9"], "key": ["good-key", "x"], "name": ["up", "down"], "timeout": 5}
    report = run("MISP", "domain", "evil.example", config=config)
    assert report["success"]
    assert report["full"]["results"][1]["error"]
    assert verdicts(report)[0] == ("suspicious", "Search", "1 event (1 server failed)")


def test_all_servers_down_fails_without_showing_a_key(run: Run) -> None:
    report = run("MISP", "domain", "evil.example", config={"url": ["http://127.0.0.1:9"], "key": ["s3cr3t-key"], "timeout": 5})
    assert not report["success"]
    assert "No MISP server could be searched" in report["errorMessage"]
    assert "s3cr3t-key" not in json.dumps(report)


def test_lists_of_different_length_are_a_clear_error(run: Run) -> None:
    report = run("MISP", "domain", "evil.example", config={"url": ["http://a", "http://b"], "key": ["x"]})
    assert "same length" in report["errorMessage"]


@pytest.mark.parametrize("value", ["!evil", "a&&b", "%evil"])
def test_values_with_a_meaning_to_misp_are_not_sent(run: Run, misp: str, value: str) -> None:
    before = len(Misp.asked)
    report = run("MISP", "other", value, config={"url": [misp], "key": ["good-key"]})
    assert "not searched" in report["errorMessage"]
    assert len(Misp.asked) == before
