"""The bridge to misp-modules where the server misbehaves or is away; tests/clients has the released server."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cortex.bridge.results import ModuleFailed, report
from cortex.bridge.types import data_types_of, misp_type_for
from cortex.definitions.service import rescan

MODULE = {
    "name": "double", "type": "expansion", "mispattributes": {"input": ["ip-dst", "malware-sample", "regkey|value"]},
    "meta": {"version": "1.0", "description": "d", "config": ["api_key"]},
}  # fmt: skip


class Double(ThreadingHTTPServer):
    """A server whose answers the test sets; `asked` are the bodies it was sent."""

    daemon_threads = True
    modules: Any = (MODULE,)
    answer: bytes = b"{}"
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Double

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send(json.dumps(self.server.modules).encode())

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.server.silent:
            threading.Event().wait(30)
        self._send(self.server.answer)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def double() -> Iterator[Double]:
    server = Double()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


async def ended(api: Any, worker: str, data_type: str = "ip", data: str = "203.0.113.5") -> Any:
    job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": data_type, "data": data, "force": True})).json()
    return (await api.admin.get(f"/api/job/{job['id']}/waitreport?atMost=30s")).json()


async def test_off_by_default_and_every_flaw_of_an_answer_is_said(api: Any, double: Double) -> None:
    async with api.with_settings(misp_modules_url=double.url) as bridged:
        worker = await bridged.enable("MISPModule_double_1_0", configuration={"api_key": "the-module-s-key"})
        shown = (await api.admin.get(f"/api/analyzer/{worker}")).json()
        assert (shown["license"], shown["maxTlp"], shown["dataTypeList"]) == ("AGPL-3.0", 2, ["ip", "file", "registry"])
    api.bench.start_runner(CORTEX_MISP_MODULES_URL=double.url, CORTEX_JOB_TIMEOUT_SECONDS="1")
    answers: list[tuple[bytes, str]] = [
        (b'{"error": "Timeout."}', "Timeout."),
        (b'{"error": {"code": 7}}', '{"code": 7}'),
        (b"false", "The module double gave no answer."),
        (b'{"results": "odd"}', "gave no answer. {"),
        (b"<html>Traceback", "and no JSON: <html>Traceback"),
    ]
    for double.answer, text in answers:
        job = await ended(api, worker)
        assert job["status"] == "Failure" and text in job["errorMessage"], job
    assert double.asked[0] == {
        "module": "double", "timeout": 1, "ip-dst": "203.0.113.5", "config": {"api_key": "the-module-s-key"}
    }  # fmt: skip
    assert "the-module-s-key" not in json.dumps(job)
    refused = await ended(api, worker, "domain", "example.org")
    assert "takes no domain like this one; it takes ip-dst, malware-sample" in refused["errorMessage"]
    red = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5", "tlp": 3})).json()
    assert (red["status"], len(double.asked)) == ("Failure", len(answers)), "what is RED does not leave the house"
    double.answer = b'{"results": []}'
    upload = {"files": {"data": ("a.bin", b"MZ")}, "data": {"_json": '{"dataType": "file"}'}}
    job = (await api.admin.post(f"/api/analyzer/{worker}/run", **upload)).json()
    assert (await api.admin.get(f"/api/job/{job['id']}/waitreport?atMost=30s")).json()["status"] == "Success"
    sent = double.asked[-1]
    assert sent["malware-sample"].startswith("a.bin|") and base64.b64decode(sent["data"]).startswith(b"PK")
    assert (await ended(api, worker, "registry", "HKLM\\Run"))["status"] == "Success"
    assert double.asked[-1]["regkey|value"] == "HKLM\\Run|"


async def test_a_server_that_is_away_or_hangs_loses_nothing(api: Any, double: Double) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with api.with_settings(misp_modules_url=double.url) as bridged:
            worker = await bridged.enable("MISPModule_double_1_0")
            double.modules = {"no": "list"}
            await rescan(bridged.engine)
            flawed = await api.bench.owner.fetch(
                "SELECT readable_error FROM definitions WHERE source = $1", f"{double.url}/modules"
            )
            assert "answers with no list of modules" in [row["readable_error"] for row in flawed]
            double.modules = [MODULE]
            await rescan(bridged.engine)
            await asyncio.to_thread(double.shutdown)
            double.server_close()
            await rescan(bridged.engine)
            known = [d["id"] for d in (await api.admin.get("/api/analyzerdefinition")).json()]
            assert "MISPModule_double_1_0" in known, "the definitions of a server that is away stay"
        api.bench.start_runner(CORTEX_MISP_MODULES_URL=away)
        job = await ended(api, worker)
        assert job["status"] == "Failure" and f"The misp-modules server at {away} does not answer" in job["errorMessage"]
    api.bench.stop()
    api.bench.start_runner()
    assert "Set CORTEX_MISP_MODULES_URL" in (await ended(api, worker))["errorMessage"]


class TestTypes:
    @pytest.mark.parametrize(
        "data_type, value, inputs, sent",
        [
            ("ip", "203.0.113.5", ["ip-src", "ip-dst"], "ip-dst"),
            ("hash", "a" * 40, ["md5", "sha1"], "sha1"),
            ("hash", "a" * 64, ["md5", "sha1"], None),
            ("hash", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", ["ssdeep"], "ssdeep"),
            ("hash", "T1" + "A" * 70, ["tlsh"], "tlsh"),
            ("fqdn", "a.example", ["domain"], "domain"),
            ("other", "cve-2024-21412", ["text", "vulnerability"], "vulnerability"),
            ("other", "rule a { condition: true }", ["yara"], "yara"),
            ("other", "[ipv4-addr:value = '1']", ["stix2-pattern"], "stix2-pattern"),
            ("other", "00:11:22:33:44:55", ["mac-address"], "mac-address"),
            ("other", "anything", ["vulnerability", "text"], "text"),
            ("other", "anything", ["ip-dst", "email-body"], "email-body"),
            ("other", "anything", ["ip-dst"], None),
            ("domain", "a.example", ["ip-dst"], None),
        ],
    )
    def test_the_type_that_is_sent(self, data_type: str, value: str, inputs: list[str], sent: str | None) -> None:
        assert misp_type_for(data_type, value, inputs) == sent

    def test_what_no_data_type_names_is_other(self) -> None:
        assert data_types_of(["md5", "hostname", "email-body"]) == ["domain", "fqdn", "hostname", "hash", "other"]


class TestResults:
    def test_a_report_of_objects_and_of_odd_parts(self) -> None:
        answer = {
            "results": {
                "Tag": ["every"],
                "Attribute": [{"type": "filename|md5", "value": "a.exe|d41d"}, "odd", {"type": 3, "value": None}],
                "Object": {"name": "file", "Attribute": [{"type": "malware-sample", "value": "x|y", "data": "%%"}]},
            }
        }
        found = report(answer, module="m", version="1", asked="asked", tlp=1)
        listed = [(a["dataType"], a["data"], a["tags"]) for a in found.output["artifacts"]]
        assert listed == [
            (kind, value, ["every"]) for kind, value in (("hash", "d41d"), ("filename", "a.exe"), ("filename", "x"))
        ]
        assert found.output["summary"]["taxonomies"][0]["value"] == "3 result(s)" and found.files == {}

    @pytest.mark.parametrize("answer", [None, False, {}, [], "text", {"results": None}, {"error": ""}])
    def test_what_is_no_answer_is_a_failure(self, answer: Any) -> None:
        with pytest.raises(ModuleFailed):
            report(answer, module="m", version="1", asked="", tlp=2)
