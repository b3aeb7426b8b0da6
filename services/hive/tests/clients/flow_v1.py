"""Run by the environment of thehive4py 1.8.1: a feeder and an analyst of ten years' standing. Arguments: URL, key."""

import json
import sys
from pathlib import Path
from tempfile import mkdtemp

from thehive4py.api import TheHiveApi
from thehive4py.models import Alert, AlertArtifact, Case, CaseObservable, CaseTask, CaseTaskLog
from thehive4py.query import And, Eq, Gte, StartsWith

url, key = sys.argv[1:]
hive = TheHiveApi(url, key)
found = {}
assert hive.get_current_user().json()["organisation"] == "soc"
sample = Path(mkdtemp()) / "sample.txt"
sample.write_text("hello")
artifacts = [
    AlertArtifact(dataType="ip", data="192.0.2.1"),
    AlertArtifact(dataType="ip", data="192.0.2.1"),
    AlertArtifact(dataType="file", data=str(sample)),
]
alert = Alert(
    title="Hit", tlp=3, tags=["wazuh"], description="d", type="external", source="wazuh", sourceRef="1", artifacts=artifacts
)
made = hive.create_alert(alert)
assert made.status_code == 201, made.text
assert len(made.json()["artifacts"]) == 2
found["duplicate"] = [hive.create_alert(alert).status_code, hive.create_alert(alert).json()["message"]]
alert_id = made.json()["id"]
assert hive.get_alert(alert_id).json() == made.json()
assert hive.mark_alert_as_read(alert_id).json()["status"] == "Ignored"
assert hive.mark_alert_as_unread(alert_id).json()["status"] == "New"
assert len(hive.find_alerts(query=And(Eq("sourceRef", "1"), Gte("severity", 2)), sort=["-date"], range="all").json()) == 1
alert.title = "Changed"
assert hive.update_alert(alert_id, alert, fields=["title"]).json()["title"] == "Changed"
case = hive.promote_alert_to_case(alert_id, "Phishing")
assert case.status_code == 201, case.text
case_id = case.json()["id"]
assert hive.get_alert(alert_id).json()["status"] == "Imported"
second = hive.create_alert(Alert(title="Two", description="d", type="external", source="wazuh", sourceRef="2"))
assert hive.merge_alert_into_case(second.json()["id"], case_id).status_code == 200
tasks = hive.get_case_tasks(case_id)
assert len(tasks.json()) == 6, tasks.text
task = hive.create_case_task(case_id, CaseTask(title="More", status="InProgress", flag=False))
assert task.status_code == 201, task.text
log = hive.create_task_log(task.json()["id"], CaseTaskLog(message="seen", file=str(sample)))
assert log.status_code == 201 and log.json()["attachment"]["name"] == "sample.txt", log.text
assert hive.get_task_log(log.json()["id"]).json() == log.json()
assert len(hive.get_task_logs(task.json()["id"]).json()) == 1
added = hive.create_case_observable(case_id, CaseObservable(dataType="domain", data=["a.example", "b.example"], tlp=1))
assert added.status_code == 201 and len(added.json()) == 2, added.text
assert hive.get_case_observable(added.json()[0]["id"]).json()["data"] == "a.example"
assert len(hive.get_case_observables(case_id, query=StartsWith("data", "a"), range="all").json()) == 1
own = hive.create_case(Case(title="Own", description="d", tasks=[CaseTask(title="t")], owner="analyst@soc.example"))
assert own.status_code == 201, own.text
assert len(hive.find_cases(query=Eq("owner", "analyst@soc.example")).json()) == 1
edited = Case(json=own.json())
edited.id, edited.status, edited.resolutionStatus = own.json()["id"], "Resolved", "FalsePositive"
closed = hive.update_case(edited, fields=["status", "resolutionStatus"])
assert (closed.json()["status"], closed.json()["resolutionStatus"]) == ("Resolved", "FalsePositive"), closed.text
assert hive.get_case_template("Phishing")["name"] == "Phishing"
found["job"] = hive.run_analyzer("none", added.json()[0]["id"], "none").status_code
found["case"] = hive.get_case(case_id).json()["caseId"]
print(json.dumps(found))
