"""As wazuh2thehive and Shuffle do with thehive4py 1.8.1 (contracts hive-v0 §6.3, §6.10). Arguments: URL, key, organisation."""

import json
import sys
import uuid

import requests
from thehive4py.api import TheHiveApi
from thehive4py.models import Alert, AlertArtifact, Case, CaseTask

url, key, organisation = sys.argv[1:]
hive = TheHiveApi(url, key)


def good(answer, status):
    assert answer.status_code == status, (answer.request.url, answer.status_code, answer.text)
    return answer.json()


# Wazuh: the same address twice in one alert, a reference of six characters.
values = [("ip", "203.0.113.9"), ("ip", "203.0.113.9"), ("url", "http://evil.example/x?a=1")]
alert = Alert(
    title="sshd: Attempt to login using a non-existent user", tlp=2, type="wazuh_alert", source="wazuh",
    sourceRef=str(uuid.uuid4())[:6], description="### Timestamp\n| key | val |\n|---|---|\n| a | b |\n",
    tags=["wazuh", "rule=5710", "agent_name=web1", "agent_id=001", "agent_ip=10.0.0.5"],
    artifacts=[AlertArtifact(dataType=kind, data=value) for kind, value in values],
)  # fmt: skip
made = good(hive.create_alert(alert), 201)
assert [(one["dataType"], one["data"]) for one in made["artifacts"]] == values[1:]

# Shuffle: its own header, odd references, bodies and encodings.
auth = {"Authorization": f"Bearer {key}", "X-Organisation": organisation}
shuffle = TheHiveApi(url, key, organisation=organisation, version=4)
assert good(shuffle.get_alert(f"{made['id']}?similarity=1"), 200)["similarCases"] == []
case = good(shuffle.create_case(Case(title="Shuffle case", description="d", tasks=[CaseTask(title="T")])), 201)
merged = requests.post(f"{url}/api/alert/{made['id']}/merge/{case['id']}", headers=auth, timeout=30)
assert good(merged, 200)["id"] == case["id"]
(task,) = good(shuffle.get_case_tasks(case["id"]), 200)
path = f"{url}/api/case/task/{task['id']}/log"
plain = good(requests.post(path, data={"message": "urlencoded ü"}, headers=auth, timeout=30), 201)
files = {"attachment": ("note.txt", b"n", "text/plain")}
with_file = good(requests.post(path, data={"message": "multipart"}, files=files, headers=auth, timeout=30), 201)
query = {"query": {"_wildcard": {"_field": "title", "_value": "*huffle*"}}}
found = good(requests.post(f"{url}/api/case/_search?range=all", json=query, headers=auth, timeout=30), 200)
parent = {"_parent": {"_type": "case", "_query": {"_id": case["id"]}}}
sorting = "range=all&sort=-startDate&sort=+ioc"
body = {"query": {"_and": [parent, {}]}}
observables = good(requests.post(f"{url}/api/case/artifact/_search?{sorting}", json=body, headers=auth, timeout=30), 200)
fields = {"customFields": {"score": {"integer": 6}, "who": {"string": "ann"}, "sure": {"boolean": True}}}
patched = good(requests.patch(f"{url}/api/case/{case['id']}", json=fields, headers=auth, timeout=30), 200)
print(
    json.dumps(
        {
            "messages": [plain["message"], with_file["message"]], "file": with_file["attachment"]["name"],
            "found": [one["title"] for one in found], "observables": sorted(one["data"] for one in observables),
            "fields": dict(sorted(patched["customFields"].items())),
        }
    )
)  # fmt: skip
