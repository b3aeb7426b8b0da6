"""n8n's Cortex node as it is released on npm, run by Node with n8n's core played by `n8n_core.js`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launcher import pages

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".venvs" / "client-n8n"
CORE = Path(__file__).with_name("n8n_core.js")
pytestmark = pytest.mark.xdist_group("cortex-clients")


def node() -> str:
    found = pages.system_node() or pages.wheel_node(REPOSITORY / ".venvs" / "web")
    return str(found.folder / "node")


def play(lab: Any, steps: list[dict[str, Any]]) -> list[Any]:
    if not (FOLDER / ".waggle-stamp").exists():
        if os.environ.get("CI"):
            pytest.fail(f"{FOLDER} is missing: run `make setup-dev`")
        pytest.skip(f"N8N'S NODE IS NOT THERE, ITS TEST DOES NOT RUN: {FOLDER}; `make setup-dev`")
    env = {**os.environ, "NODE_PATH": str(FOLDER / "node_modules")}
    command = [node(), str(CORE), str(FOLDER), lab.url, lab.key]
    done = subprocess.run(command, input=json.dumps(steps), capture_output=True, text=True, timeout=90, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["tested"] == 200, "the credentials' own test"
    return list(found["answers"])


def test_analyzers_run_on_values_and_files_and_jobs_are_read(lab: Any) -> None:
    look = f"{lab.worker('Look_1_0')}::Look_1_0"
    run = {"resource": "analyzer", "operation": "execute", "analyzer": look, "tlp": 2}
    value = {**run, "observableType": "domain", "observableValue": "n8n.example.org"}
    waiting = {"force": True, "timeout": 40}
    content = {"data": base64.b64encode(b"file of n8n").decode(), "mimeType": "text/plain", "fileName": "n8n.txt"}
    job = {"resource": "job", "jobId": "$last"}
    analyzers, types, started, waited, of_file, got, reported = play(
        lab,
        [
            {"call": "loadActiveAnalyzers", "parameters": {}},
            {"call": "loadObservableOptions", "parameters": {"analyzer": look}},
            {"call": "execute", "parameters": {**value, "additionalFields": {}}},
            {"call": "execute", "parameters": {**value, "additionalFields": waiting}},
            {
                "call": "execute",
                "parameters": {**run, "observableType": "file", "binaryPropertyName": "data", "additionalFields": waiting},
                "binary": content,
            },
            {"call": "execute", "parameters": {**job, "operation": "get"}},
            {"call": "execute", "parameters": {**job, "operation": "report"}},
        ],
    )
    assert look in [option["value"] for option in analyzers] and {"name": "Domain", "value": "domain"} in types
    assert started[0]["data"] == "n8n.example.org"
    assert waited[0]["status"] == "Success" and waited[0]["report"]["full"]["value"] == "n8n.example.org"
    assert of_file[0]["report"]["full"]["size"] == 11 and of_file[0]["attachment"]["name"] == "n8n.txt"
    assert got[0]["id"] == of_file[0]["id"] and "report" not in got[0]
    assert reported[0]["report"] == of_file[0]["report"]


def test_responders_get_an_object_by_fields_or_as_json(lab: Any) -> None:
    reply = f"{lab.worker('Reply_1_0', 'responder')}::Reply_1_0"
    run = {"resource": "responder", "operation": "execute", "responder": reply, "entityType": "case"}
    case = {"_type": "case", "caseId": 7, "title": "By JSON", "tlp": 1, "pap": 1, "message": "m"}
    fields = {"values": {"title": "By fields", "caseId": 8, "tags": "a,b", "tlp": 2}}
    responders, types, by_json, by_fields = play(
        lab,
        [
            {"call": "loadActiveResponders", "parameters": {}},
            {"call": "loadDataTypeOptions", "parameters": {"responder": reply}},
            {"call": "execute", "parameters": {**run, "jsonObject": True, "objectData": json.dumps(case)}},
            {"call": "execute", "parameters": {**run, "jsonObject": False, "parameters": fields}},
        ],
    )
    assert reply in [option["value"] for option in responders] and {"value": "case", "name": "Case"} in types
    assert (by_json[0]["label"], by_json[0]["tlp"], by_json[0]["parameters"]) == ("#7 By JSON", 1, {})
    assert by_fields[0]["data"]["title"] == "By fields" and by_fields[0]["data"]["tags"] == ["a", "b"]
    with lab.client() as client:
        for job in (by_json[0], by_fields[0]):
            ended = client.get(f"/api/job/{job['id']}/waitreport", params={"atMost": "40seconds"}).json()
            assert ended["status"] == "Success" and ended["report"]["full"]["title"] == job["data"]["title"]
