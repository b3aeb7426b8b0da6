"""The feeders of contracts/hive-v0.md §6 against one running hive: with the client library they are built on, at its release, or
by the requests that were recorded from them.

ElastAlert 2 and thehivebackup have files of their own; every method of thehive4py 1.8.1 is in
services/hive/tests/test_clients.py, consumers of webhooks in services/hive/tests/classic/test_webhooks.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from outside import run
from started import Started, started

SCRIPTS = Path(__file__).parent / "feeders"
pytestmark = [pytest.mark.xdist_group("feeders"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("feeders"), "hive") as running:
        yield running


@pytest.fixture
def client(hive: Started) -> Iterator[httpx.Client]:
    with hive.client("hive") as made:
        yield made


def told(hive: Started, environment: str, script: str, folder: Path, *more: str) -> dict[str, Any]:
    """What a script printed at its end."""
    key = hive.credentials["hive"]["api_key"]
    output = run(environment, "python", str(SCRIPTS / script), hive.url("hive"), key, *more, folder=folder)
    return dict(json.loads(next(line for line in reversed(output.splitlines()) if line.startswith("{"))))


def post(client: httpx.Client, path: str, body: Any, status: int, **more: Any) -> Any:
    answer = client.post(path, json=body, **more)
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    return answer.json()


@pytest.mark.usefixtures("libmagic")
def test_imap2thehive(hive: Started, tmp_path: Path) -> None:
    found = told(hive, "thehive4py-1-5", "imap.py", tmp_path)
    assert found == {
        "sourceRef": "a1b2c3", "status": "New", "tlp": 3, "tasks": ["Communication", "Investigation"], "file": "invoice.pdf",
        "fields": {
            "from": {"string": "Ann <ann@corp.example>", "order": 0}, "attachment": {"string": "['invoice.pdf']", "order": 1},
        },
        "types": ["domain", "ossec_level"], "template": found["template"],
    }  # fmt: skip
    assert found["template"].endswith("By template")


@pytest.mark.usefixtures("libmagic")
def test_synapse(hive: Started, client: httpx.Client, tmp_path: Path) -> None:
    login = client.get("/api/user/current").json()["login"]
    found = told(hive, "thehive4py-1-5", "synapse.py", tmp_path, login)
    assert found["title"].startswith("#27 Multiple login failures")
    assert (found["tags"], found["owner"]) == (["type:username"], login)


@pytest.mark.usefixtures("libmagic")
def test_wazuh_and_shuffle(hive: Started, client: httpx.Client, tmp_path: Path) -> None:
    organisation = client.get("/api/user/current").headers["X-Organisation"]
    found = told(hive, "thehive4py-1", "wazuh.py", tmp_path, organisation)
    assert found == {
        "messages": ["urlencoded ü", "multipart"], "file": "note.txt", "found": ["Shuffle case"],
        "observables": ["203.0.113.9", "http://evil.example/x?a=1"],
        "fields": {
            "score": {"integer": 6, "order": 0}, "sure": {"boolean": True, "order": 2}, "who": {"string": "ann", "order": 1},
        },
    }  # fmt: skip


def test_elastalert_0_2(client: httpx.Client) -> None:
    """§6.1: any status but 201 is its failure; the template is null, tags come in any order, artifacts twice."""
    body = {
        "artifacts": [{"data": "203.0.113.7", "dataType": "ip", "message": None, "tags": [], "tlp": 2}] * 2,
        "caseTemplate": None, "customFields": {}, "date": 1767348000000, "description": "d", "follow": True, "severity": 2,
        "source": "elastalert", "sourceRef": "1c7f0c", "status": "New", "tags": ["b", "a"], "title": "rule", "tlp": 2,
        "type": "external",
    }  # fmt: skip
    made = post(client, "/api/alert", body, 201)
    assert (len(made["artifacts"]), made["tags"], made["caseTemplate"]) == (1, ["b", "a"], None)


def test_splunk_add_on(client: httpx.Client) -> None:
    """§6.5: a test by a whole search, an alert of a form's template, the second one told by 400 and its text, then an update."""
    assert client.post("/api/case/_search?range=all", json={"query": {}}).status_code == 200
    body: dict[str, Any] = {
        "title": "Notable", "description": "d", "type": "alert", "source": "splunk", "tags": [], "tlp": 2, "pap": 2,
        "sourceRef": "main@@0cc175b9c0f1b6a831c399e269772661", "caseTemplate": "default", "externalLink": None,
        "date": 1767348000000, "customFields": {}, "severity": 2,
        "artifacts": [
            {"dataType": "ip", "data": "203.0.113.30", "message": "", "tags": ["field:src"], "tlp": 2},
            {"dataType": "hash", "data": "d41d8cd98f00b204", "message": "", "tags": ["field:hash", "TLP:RED"], "tlp": 3},
            {"dataType": "other", "data": "jdoe", "message": "", "tags": ["field:user"], "tlp": -1},
        ],
    }  # fmt: skip
    made = post(client, "/api/alert", body, 201)
    assert [(one["dataType"], one["tlp"]) for one in made["artifacts"]] == [("ip", 2), ("hash", 3), ("other", 3)]
    assert "tlp:unknown" in made["artifacts"][2]["tags"] and made["caseTemplate"] in (None, "default")
    again = post(client, "/api/alert", body, 400)
    assert "already exists" in again["message"]
    (known,) = post(client, "/api/alert/_search?range=all", {"query": {"sourceRef": body["sourceRef"]}}, 200)
    more = [*body["artifacts"], {"dataType": "ip", "data": "203.0.113.31"}]
    update = client.patch(f"/api/alert/{known['id']}", json={"artifacts": more})
    assert (update.status_code, len(update.json()["artifacts"])) == (200, 4)


def test_graylog(client: httpx.Client) -> None:
    """§6.7: the smallest alert there is."""
    body = {
        "title": "Event", "description": "d", "type": "external", "source": "Graylog", "sourceRef": "1f7d59", "severity": 2,
        "artifacts": [{"dataType": "ip", "data": "1.2.3.4"}],
    }  # fmt: skip
    made = post(client, "/api/alert", body, 201)
    assert (made["tlp"], made["tags"], made["artifacts"][0]["message"]) == (2, [], None)


def test_canaries_of_two_organisations(hive: Started, client: httpx.Client) -> None:
    """§6.8: the same alert by the keys of two organisations; each has its own."""
    body = {
        "title": "Canary", "description": "# Markdown", "type": "external", "source": "canary", "sourceRef": "9f0c1a", "tlp": 2,
        "severity": 2, "date": 1767348000000, "tags": ["canary"], "customFields": {}, "caseTemplate": None,
        "artifacts": [{"dataType": "ip", "data": "203.0.113.40", "message": None, "tags": [], "tlp": 2, "ioc": False}] * 2,
    }  # fmt: skip
    mine = hive.credentials["hive"]
    as_admin: dict[str, Any] = {"auth": (mine["login"], mine["password"]), "headers": {"X-Organisation": "admin"}}
    post(client, "/api/organisation", {"name": "partner", "description": "d"}, 201, **as_admin)
    somebody = {"login": "canary@partner.example", "name": "Canary", "roles": ["read", "write"], "organisation": "partner"}
    post(client, "/api/user", somebody, 201, **as_admin)
    key = client.post("/api/user/canary@partner.example/key/renew", **as_admin).text
    partner: dict[str, Any] = {"headers": {"Authorization": f"Bearer {key}"}}
    first, second = post(client, "/api/alert", body, 201), post(client, "/api/alert", body, 201, **partner)
    assert first["id"] != second["id"] and len(first["artifacts"]) == 1
    assert client.get(f"/api/alert/{first['id']}", **partner).status_code == 404
    refused = client.post("/api/alert", json=body, headers={"X-Organisation": "nobody's"})
    assert refused.status_code in (401, 403)


def test_n8n(client: httpx.Client) -> None:
    """§6.9: credential test, option lists, dotted custom fields, promotion without a body, searches with bounds."""
    assert client.get("/api/case").status_code == 200
    assert "ip" in client.get("/api/list/list_artifactDataType").json().values()
    for path in ("/api/list/custom_fields", "/api/connector/cortex/analyzer", "/api/connector/cortex/analyzer/type/ip"):
        assert client.get(path).status_code == 200, path
    body = {"title": "n8n", "description": "d", "severity": 2, "date": 1767348000000, "tags": "a,b", "tlp": 2, "status": "New",
            "type": "misc", "source": "n8n", "sourceRef": "ref-1", "follow": True,
            "artifacts": [{"dataType": "ip", "data": "203.0.113.50", "message": "m", "tags": []}]}  # fmt: skip
    alert = post(client, "/api/alert", body, 201)
    post(client, "/api/alert", {**body, "sourceRef": "x", "customFields": {"cvss": 5}}, 201)
    patched = client.patch(f"/api/alert/{alert['id']}", json={"customFields.cvss": {"integer": 6}, "title": "new title"})
    assert (patched.status_code, patched.json()["customFields"]["cvss"]["integer"]) == (200, 6)
    like = {"_wildcard": {"_field": "title", "_value": "*ew*"}}
    query = {"query": {"_and": [{"_in": {"_field": "tags", "_values": ["a,b"]}}, like]}}
    assert [one["id"] for one in post(client, "/api/alert/_search?range=0-5&sort=-date", query, 200)] == [alert["id"]]
    assert client.post(f"/api/alert/{alert['id']}/markAsRead").json()["status"] == "Ignored"
    case = client.post(f"/api/alert/{alert['id']}/createCase")
    assert case.status_code == 201
    observable = {"dataType": "domain", "data": "n8n.example", "message": "m", "startDate": 1767348000000, "tlp": 2, "ioc": False,
                  "sighted": False, "status": "Ok", "tags": "t"}  # fmt: skip
    (made,) = post(client, f"/api/case/{case.json()['id']}/artifact", observable, 201)
    task = post(client, f"/api/case/{case.json()['id']}/task", {"title": "t", "status": "Waiting", "flag": False}, 201)
    log = post(client, f"/api/case/task/{task['id']}/log", {"message": "m", "startDate": 1767348000000, "status": "Ok"}, 201)
    assert post(client, "/api/case/task/log/_search", {"query": {"_id": log["id"]}}, 200)[0]["message"] == "m"
    job = post(client, "/api/connector/cortex/job", {"cortexId": "none", "artifactId": made["id"], "analyzerId": "x"}, 201)
    assert job["status"] == "Failure" and job["createdBy"]
    action = {"responderId": "none", "objectType": "case", "objectId": case.json()["id"]}
    assert post(client, "/api/connector/cortex/action", action, 200)["status"] == "Failure"


def test_opencti(client: httpx.Client) -> None:
    """§6.11: what changed since, also below the case; the keys it reads are there."""
    case = post(client, "/api/case", {"title": "CTI", "description": "d"}, 201)
    post(client, f"/api/case/{case['id']}/artifact", {"dataType": "ip", "data": "203.0.113.60"}, 201)
    since = case["createdAt"] - 1
    later = {"_gt": {"createdAt": since}}
    query = {"query": {"_or": [
        {"_gt": {"updatedAt": since}}, {"_child": {"_type": "case_task", "_query": later}},
        {"_child": {"_type": "case_artifact", "_query": later}},
    ]}}  # fmt: skip
    found = post(client, "/api/case/_search?range=0-100&sort=updatedAt", query, 200)
    assert case["id"] in [one["id"] for one in found]
    (observable,) = post(client, f"/api/case/{case['id']}/artifact/_search", {"query": {}}, 200)
    assert {"message", "ioc", "sighted", "startDate", "tags"} <= observable.keys()


def test_a_misp_workflow_posts_whatever_its_template_says(client: httpx.Client) -> None:
    """§6.11: strings where numbers are meant, as a Jinja template writes them."""
    body = {
        "type": "misp", "source": "MISP", "sourceRef": "1234", "title": "#1234 Phishing", "description": "", "severity": "2",
        "tlp": "2", "tags": "tlp:amber", "date": "1767348000000", "Event": {"id": "1234", "Attribute": []},
    }  # fmt: skip
    made = post(client, "/api/alert", body, 201)
    assert (made["severity"], made["tlp"], made["tags"], made["date"]) == (2, 2, ["tlp:amber"], 1767348000000)


def test_sla_monitor_and_dxl(client: httpx.Client) -> None:
    """§6.11: new alerts by status; the reason of a refusal at the top and in each item."""
    new = post(client, "/api/alert/_search?range=all", {"query": {"_field": "status", "_value": "New"}}, 200)
    assert all(one["status"] == "New" for one in new)
    wrong = post(client, "/api/alert", {"type": "t"}, 400)
    assert wrong["message"] and all(one["message"] for one in wrong["errors"])
