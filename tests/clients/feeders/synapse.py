"""As Synapse does with thehive4py 1.5.1 (contracts hive-v0 §6.6): QRadar offences and mails of an Exchange folder.

Arguments: URL, key, login of the key's user.
"""

import json
import sys
from pathlib import Path
from tempfile import mkdtemp

from thehive4py.api import TheHiveApi
from thehive4py.models import Alert, AlertArtifact, Case, CaseObservable, CaseTask, CaseTaskLog
from thehive4py.query import Eq, String

url, key, login = sys.argv[1:]
hive = TheHiveApi(url, key)
folder = Path(mkdtemp())
(folder / "mail.eml").write_text("Subject: x")


def good(answer, status):
    assert answer.status_code == status, (answer.request.url, answer.status_code, answer.text)
    return answer.json()


# An offence that is not known yet becomes an alert; its title ends in a newline.
assert good(hive.find_alerts(query={"sourceRef": "27"}), 200) == []
alert = Alert(
    title="#27 Multiple login failures\n", tlp=2, severity=2, date=1767348000000, type="internal", source="QRadar_Offenses",
    sourceRef="27", caseTemplate="", tags=["QRadar", "Offense"], description="| key | val |\n|---|---|\n| a | b |",
    artifacts=[
        AlertArtifact(dataType="ip", data="203.0.113.7", message="Offense Source", tags=["src"]),
        AlertArtifact(dataType="other", data="jdoe", message="User", tags=["type:username"]),
    ],
)  # fmt: skip
made = good(hive.create_alert(alert), 201)
(found,) = good(hive.find_alerts(query={"sourceRef": "27"}), 200)
assert found["id"] == made["id"] and found["status"] == "New"
assert good(hive.find_alerts(query={"case": "~1"}), 200) == []

# A mail of a conversation goes to the conversation's case, which is found by its id in the description.
conversation = "AAQkADc4<55f.7@mail.example>"
search = {"query": String(f'description:"{conversation}"')}
assert good(hive.find_cases(**search), 200) == []
other = good(hive.create_case(Case(title="Unrelated", description="nothing of it")), 201)
case = good(hive.create_case(Case(title="Re: help", tlp=2, tags=["Synapse"], description=f"conversation {conversation}")), 201)
(hit,) = good(hive.find_cases(**search), 200)
assert hit["id"] == case["id"] != other["id"]
task = good(hive.create_case_task(case["id"], CaseTask(title="Communication", status="InProgress", owner=login, flag=False)), 201)
(known,) = [one for one in good(hive.get_case_tasks(case["id"]), 200) if one["title"] == "Communication"]
assert known["id"] == task["id"] and known["status"] == "InProgress"
log = good(hive.create_task_log(task["id"], CaseTaskLog(message="**mail**\r\nbody")), 201)
assert log["id"]
observable = CaseObservable(dataType="file", data=[str(folder / "mail.eml")], tlp=2, ioc=False, tags=["Synapse"], message="mail")
good(hive.create_case_observable(case["id"], observable), 201)
edited = Case(json=case)
edited.id, edited.owner, edited.description = case["id"], login, case["description"] + "\nmore"
changed = good(hive.update_case(edited), 200)
assert changed["owner"] == login and changed["description"].endswith("\nmore"), changed
assert hive.get_case_template("Phishing")["name"] == "Phishing"
assert good(hive.find_tasks(query=Eq("status", "InProgress")), 200)
print(json.dumps({"title": made["title"], "tags": made["artifacts"][1]["tags"], "owner": changed["owner"]}))
