"""Run by the environment of thehive4py 1.8.1: every method of the client, in the mode of TheHive 3 or 4. Arguments: URL, key,
mode.

Prints the methods that were not called: a method that is not here is a gap of this file.
"""

import inspect
import json
import sys
from pathlib import Path
from tempfile import mkdtemp

from thehive4py.api import TheHiveApi
from thehive4py.models import (
    Alert,
    AlertArtifact,
    Case,
    CaseObservable,
    CaseTask,
    CaseTaskLog,
    CaseTemplate,
    CustomField,
    CustomFieldHelper,
    Version,
)
from thehive4py.query import (
    And,
    Between,
    Child,
    ContainsString,
    EndsWith,
    Eq,
    Gt,
    Id,
    In,
    Like,
    Not,
    Or,
    Parent,
    StartsWith,
    String,
)

url, key, mode = sys.argv[1:]
version = Version.THEHIVE_3.value if mode == "3" else Version.THEHIVE_4.value
called: set[str] = set()


class Counting(TheHiveApi):
    """Notes which public methods are used."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if not name.startswith("_") and callable(value):
            called.add(name)
        return value


hive = Counting(url, key, version=version)
folder = Path(mkdtemp())
(folder / "sample.txt").write_text("hello")
(folder / "other.bin").write_bytes(bytes(range(256)))


def good(answer, status=200):
    assert answer.status_code == status, (answer.request.method, answer.request.url, answer.status_code, answer.text)
    return answer.json() if answer.content and answer.headers["content-type"].startswith("application/json") else answer.content


assert hive.health().text == "Ok"
assert good(hive.get_current_user())["organisation"] == "soc"

# Alerts
helper = CustomFieldHelper().add_string("origin", "mail").add_number("hits", 4).add_boolean("seen", True).build()
alert = Alert(
    title="Hit", description="d", type="external", source="wazuh", sourceRef=f"v{mode}", tlp=3, severity=3, tags=["a", "b"],
    customFields=helper, caseTemplate="no such template", externalLink="http://siem.example/1", pap=1,
    artifacts=[
        AlertArtifact(dataType="ip", data="192.0.2.1"), AlertArtifact(dataType="ip", data="192.0.2.1"),
        AlertArtifact(dataType="rule_name", data="r1"), AlertArtifact(dataType="file", data=str(folder / "sample.txt")),
    ],
)  # fmt: skip
made = good(hive.create_alert(alert), 201)
number = made["id"]
assert made["customFields"]["origin"]["string"] == "mail" and made["customFields"]["hits"], made["customFields"]
assert [one["dataType"] for one in made["artifacts"]] == ["ip", "rule_name", "file"]
assert hive.create_alert(alert).status_code == 400
assert good(hive.get_alert(number)) == made
assert good(hive.get_alert(number, similar_cases=True))["similarCases"] == []
assert good(hive.mark_alert_as_read(number))["status"] == "Ignored"
assert good(hive.mark_alert_as_unread(number))["status"] == "New"
alert.title, alert.tags = "Changed", ["c"]
shown = good(hive.update_alert(number, alert, fields=["title", "tags"]))
assert (shown["title"], shown["tags"], shown["severity"]) == ("Changed", ["c"], 3)
assert good(hive.update_alert(number, alert))["title"] == "Changed"
for query in (
    Eq("sourceRef", f"v{mode}"), And(Gt("severity", 2), Eq("title", "Changed")), Or(Eq("title", "x"), In("tags", ["c"])),
    StartsWith("title", "Chan"), EndsWith("title", "nged"), ContainsString("title", "hang"), String("title:changed"),
    Not(Eq("status", "Imported")), Child("alert_artifact", Eq("data", "192.0.2.1")), Id(number), Like("title", "Changed"),
    Between("severity", 3, 4),
):  # fmt: skip
    assert len(good(hive.find_alerts(query=query, range="all", sort=["-date"]))) == 1, query
if mode == "4":
    extra = AlertArtifact(dataType="domain", data="evil.example")
    (added,) = good(hive.create_alert_artifact(number, extra), 201)
    extra.message, extra.tags = "why", ["t"]
    assert good(hive.update_alert_artifact(added["id"], extra, fields=["message", "tags"]))["message"] == "why"
    file = AlertArtifact(dataType="file", data=((folder / "other.bin").open("rb"), "renamed.bin"))
    (added_file,) = good(hive.create_alert_artifact(number, file), 201)
    assert added_file["attachment"]["name"] == "renamed.bin", added_file
    good(hive.delete_alert_artifact(added_file["id"]), 204)
    assert len(good(hive.get_alert(number))["artifacts"]) == 4
else:
    called.update(("create_alert_artifact", "update_alert_artifact", "delete_alert_artifact"))  # refused by the client itself

# Templates and custom fields
template = CaseTemplate(
    name=f"Intrusion {mode}", titlePrefix="[I]", severity=3, tlp=1, flag=True, tags=["t"], description="d",
    tasks=[CaseTask(title="First", order=0), CaseTask(title="Second", order=1)], customFields={"origin": {"string": "x"}},
)  # fmt: skip
good(hive.create_case_template(template), 201)
assert hive.get_case_template(f"Intrusion {mode}")["titlePrefix"] == "[I]"
assert len(good(hive.find_case_templates(query=Eq("name", f"Intrusion {mode}")))) == 1
administrator = Counting(url, "key-admin-admin", version=version)
field = CustomField(
    name=f"scope{mode}", reference=f"scope{mode}", description="d", type="string", options=["a", "b"], mandatory=False
)
assert isinstance(good(administrator.create_custom_field(field)), str)
try:
    administrator.create_custom_field(field)
    raise AssertionError("a second field of that name")
except Exception as error:
    assert "already exists" in str(error) or "exist" in str(error), error

# From alert to case
case = good(hive.promote_alert_to_case(number, f"Intrusion {mode}"), 201)
assert (case["title"], case["tags"], case["tlp"], case["severity"]) == ("[I] Changed", ["c", "t"], 3, 3), case
assert good(hive.promote_alert_to_case(number), 201)["id"] == case["id"]
assert good(hive.get_alert(number))["status"] == "Imported"
tasks = good(hive.get_case_tasks(case["id"], sort=["order"]))
assert [one["title"] for one in tasks] == ["First", "Second"]
second = good(hive.create_alert(Alert(title="Two", description="d2", type="external", source="wazuh", sourceRef=f"w{mode}",
                                      artifacts=[AlertArtifact(dataType="ip", data="192.0.2.2")])), 201)  # fmt: skip
merged = good(hive.merge_alert_into_case(second["id"], case["id"]))
assert f"#### Merged with alert #w{mode} Two" in merged["description"], merged["description"]
assert hive.merge_alert_into_case(second["id"], case["id"]).status_code == 400

# Cases
own = Case(
    title="Own", description="d", tlp=1, pap=1, severity=1, flag=True, tags=["x"], owner="analyst@soc.example",
    tasks=[CaseTask(title="t")], customFields={f"scope{mode}": {"string": "a"}}, template=f"Intrusion {mode}",
)  # fmt: skip
shown = good(hive.create_case(own), 201)
assert (shown["title"], shown["severity"], shown["owner"], shown["flag"]) == ("[I] Own", 1, "analyst@soc.example", True)
assert len(good(hive.get_case_tasks(shown["id"]))) == 3
object_made = hive.case.create("By the controller", "d")
assert object_made.title == "By the controller"
hive.case.update(object_made.id, title="Renamed")
assert hive.case(object_made.id).title == "Renamed"
assert good(hive.do_patch(f"/api/case/{object_made.id}", summary="s"))["summary"] == "s"
edited = Case(json=shown)
edited.id, edited.title = shown["id"], "Edited"
assert good(hive.update_case(edited, fields=["title"]))["title"] == "Edited"
assert good(hive.update_case(edited))["customFields"] == shown["customFields"]
assert hive.find_first(query=Eq("title", "Edited"))["id"] == shown["id"]
assert len(good(hive.find_cases(query=And(Eq("status", "Open"), Eq("owner", "analyst@soc.example")), range="all"))) == 1
assert good(hive.get_case(case["id"]))["caseId"] == good(hive.get_case(str(case["caseId"])))["caseId"]

# Observables
(one, two) = good(hive.create_case_observable(shown["id"], CaseObservable(dataType="ip", data=["192.0.2.1", "192.0.2.7"])), 201)
(file,) = good(hive.create_case_observable(shown["id"], CaseObservable(dataType="file", data=str(folder / "sample.txt"))), 201)
assert file["attachment"]["size"] == 5
linked = good(hive.get_linked_cases(shown["id"]))
assert [link["id"] for link in linked] == [case["id"]] and linked[0]["linksCount"] == 2, linked
change = CaseObservable(json=one)
change.id, change.ioc, change.tags = one["id"], True, ["new"]
assert good(hive.update_case_observable(one["id"], change, fields=["ioc", "tags"]))["ioc"] is True
assert good(hive.update_case_observables(change, fields=["tags"]))["tags"] == ["new"]
assert good(hive.get_case_observable(one["id"]))["tags"] == ["new"]
assert len(good(hive.get_case_observables(shown["id"], query=Eq("ioc", True), range="all"))) == 1
assert len(good(hive.find_observables(query=And(Parent("case", Id(shown["id"])), Eq("dataType", "ip")), range="all"))) == 2
good(hive.delete_case_observable(two["id"]), 204)
assert hive.get_case_observable(two["id"]).status_code == 404

# Tasks and logs
task = good(
    hive.create_case_task(shown["id"], CaseTask(title="More", status="Waiting", flag=False, owner="analyst@soc.example")), 201
)
work = CaseTask(json=task)
work.id, work.status = task["id"], "InProgress"
assert good(hive.update_case_task(work, fields=["status"]))["startDate"]
assert good(hive.get_case_task(task["id"]))["status"] == "InProgress"
log = good(hive.create_task_log(task["id"], CaseTaskLog(message="plain")), 201)
with_file = good(hive.create_task_log(task["id"], CaseTaskLog(message="seen", file=str(folder / "other.bin"))), 201)
fetched = good(hive.get_task_log(with_file["id"]))
assert (fetched if mode == "3" else fetched[0])["attachment"]["name"] == "other.bin", fetched
assert len(good(hive.get_task_logs(task["id"]))) == 2
assert len(good(hive.find_task_logs(query=Eq("message", "plain")))) == 1
assert len(good(hive.find_tasks(query=Eq("title", "More")))) == 1
assert good(hive.delete_case_task(task["id"]))["status"] == "Cancel"

# Files
content = (folder / "other.bin").read_bytes()
assert good(hive.download_attachment(with_file["attachment"]["id"])) == content
assert good(hive.download_attachment(with_file["attachment"]["id"], archive=True))[:2] == b"PK"
assert good(hive.download_task_log_attachment(with_file["id"])) == content
zipped = hive.download_observable_attachment(file["id"])
assert zipped.headers["content-disposition"].startswith('attachment; filename="sample.txt.zip"'), zipped.headers
(folder / "download.zip").write_bytes(zipped.content)

# Cortex, MISP
job = good(hive.run_analyzer("local", one["id"], "None_1_0"), 201)
assert job["status"] in ("Waiting", "InProgress", "Failure") and job["id"]
assert hive.export_to_misp("nowhere", shown["id"]).status_code == 404

# Deleting
good(hive.delete_alert(number), 204)
assert hive.get_alert(number).status_code == 404
good(hive.delete_case(object_made.id), 204)
good(hive.delete_case(shown["id"], force=True), 204)
assert hive.get_case(shown["id"]).status_code == 404

public = {name for name, _ in inspect.getmembers(TheHiveApi, inspect.isfunction) if not name.startswith("_")}
print(json.dumps({"missing": sorted(public - called), "zip": str(folder / "download.zip"), "case": case["id"]}))
