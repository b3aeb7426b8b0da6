"""Run by the environment of thehive4py 2.1.0: an analyst's day with the real client. Arguments: URL, key, login, password."""

import json
import sys
from pathlib import Path
from tempfile import mkdtemp

from thehive4py import TheHiveApi
from thehive4py.errors import TheHiveError
from thehive4py.query.filters import Eq
from thehive4py.query.sort import Asc

url, key, login, password = sys.argv[1:]
hive = TheHiveApi(url=url, apikey=key, max_retries=None)
found = {}
assert hive.user.get_current()["organisation"] == "soc"
assert TheHiveApi(url=url, username=login, password=password, max_retries=None).user.get_current()["login"] == login

folder = Path(mkdtemp())
mail = folder / "mail.eml"
mail.write_bytes(b"From: attacker@evil.example")
alert_input = {
    "type": "phishing", "source": "client", "sourceRef": "1", "title": "Invoice", "description": "d", "tags": ["a"],
    "caseTemplate": "No such template",
    "observables": [
        {"dataType": "domain", "data": "evil.example"},
        {"dataType": "file", "attachment": "mail"},
    ],
}  # fmt: skip
alert = hive.alert.create(alert_input, attachment_map={"mail": str(mail)})
fetched = hive.alert.get(alert["_id"])
del fetched["_updatedAt"], fetched["_updatedBy"]
assert fetched == alert and alert["observableCount"] == 2
try:
    hive.alert.create(alert_input, attachment_map={"mail": str(mail)})
except TheHiveError as error:
    found["duplicate"] = error.message
plain = hive.alert.create({**alert_input, "sourceRef": "2", "observables": []})
assert plain == hive.alert.get(plain["_id"]) == hive.alert.get("phishing;client;2")
hive.alert.update(plain["_id"], {"title": "Changed", "addTags": ["b"]})
hive.alert.unfollow(plain["_id"])
hive.alert.follow(plain["_id"])
assert [a["_id"] for a in hive.alert.find(filters=Eq("title", "Changed") & Eq("tags", "b"))] == [plain["_id"]]
assert hive.alert.count() == 2
assert [a["sourceRef"] for a in hive.alert.find(sortby=Asc("_createdAt"))] == ["1", "2"]
assert {o["dataType"] for o in hive.alert.find_observables(alert["_id"])} == {"domain", "file"}

case = hive.alert.promote_to_case(alert["_id"], {"caseTemplate": "Phishing"})
assert hive.alert.get(alert["_id"])["caseId"] == case["_id"]
hive.alert.merge_into_case(plain["_id"], str(case["number"]))
assert hive.case.get(str(case["number"]))["_id"] == case["_id"]
tasks = hive.case.find_tasks(case["_id"])
assert len(tasks) == 6
log = hive.task_log.create(tasks[0]["_id"], {"message": "seen", "attachments": [str(mail)]})
assert [a["name"] for a in log["attachments"]] == ["mail.eml"]
assert hive.task_log.get(log["_id"]) == log == hive.task.find_logs(tasks[0]["_id"])[0]
task = hive.case.create_task(case["_id"], {"title": "More"})
hive.task.update(task["_id"], {"status": "Completed", "assignee": None})
assert hive.task.get(task["_id"])["status"] == "Completed"
observables = hive.case.create_observable(case["_id"], {"dataType": "ip", "data": ["192.0.2.1", "192.0.2.2"]})
again = hive.case.create_observable(case["_id"], {"dataType": "ip", "data": "192.0.2.1"})
assert again["failure"][0]["type"] == "CreateError", again
files = hive.case.create_observable(case["_id"], {"dataType": "file", "message": "m"}, observable_path=str(mail))
assert files["success"] == [], files  # the same content came with the alert
hive.observable.update(observables[0]["_id"], {"ioc": True, "tags": ["x"]})
assert hive.observable.get(observables[0]["_id"])["ioc"] is True
target = folder / "copy"
one = next(o for o in hive.case.find_observables(case["_id"]) if o["dataType"] == "file")
hive.observable.download_attachment(one["_id"], one["attachment"]["_id"], str(target))
assert target.read_bytes() == mail.read_bytes()
job = hive.cortex.create_analyzer_job({"analyzerId": "a", "cortexId": "c", "artifactId": one["_id"]})
assert job["_type"] == "case_artifact_job" and hive.cortex.get_analyzer_job(job["_id"])["_id"] == job["_id"]
assert hive.cortex.list_analyzers() == [] and hive.cortex.list_analyzers_by_type("ip") == []
hive.case.close(case["_id"], status="TruePositive", summary="done", impact_status="WithImpact")
hive.case.open(case["_id"])
found["case"] = hive.case.get(case["_id"])["status"]
made = hive.case_template.create({"name": "Own", "tasks": [{"title": "t"}]})
assert made == hive.case_template.get("Own")
print(json.dumps(found))
