"""Every public method of thehive4py 2.1.0 against a hive: run in the client's own environment.

Arguments: the server's URL, login and password of somebody who administers the platform and works in `main-org`. Prints one line
of JSON: `missing` are methods that nothing here called (a new release's), `failed` what went wrong, by area.
"""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from thehive4py import TheHiveApi
from thehive4py.errors import TheHiveError
from thehive4py.query.filters import Eq, Like
from thehive4py.query.page import Paginate
from thehive4py.query.sort import Asc

warnings.simplefilter("ignore", DeprecationWarning)
URL, LOGIN, PASSWORD = sys.argv[1:4]
NOW = int(time.time() * 1000)
called: set[str] = set()
ALERT = {"type": "external", "source": "client", "title": "An alert", "description": "d"}
CASE = {"title": "A case", "description": "d"}
PROCEDURE = {"occurDate": NOW, "patternId": "T1059.006", "tactic": "execution"}
PAGE = {"title": "A page", "content": "text", "category": "notes"}


class Recorded:
    """An endpoint that remembers which of its methods were called."""

    def __init__(self, name: str, endpoint: Any) -> None:
        self.name, self.endpoint = name, endpoint

    def __getattr__(self, method: str) -> Any:
        called.add(f"{self.name}.{method}")
        return getattr(self.endpoint, method)


def endpoints(api: TheHiveApi) -> dict[str, Any]:
    return {name: one for name, one in vars(api).items() if type(one).__name__.endswith("Endpoint")}


def client(organisation: str, login: str = LOGIN, password: str = PASSWORD) -> Any:
    api = TheHiveApi(url=URL, username=login, password=password, organisation=organisation, max_retries=None)
    for name, one in endpoints(api).items():
        setattr(api, name, Recorded(name, one))
    return api


def public_methods() -> set[str]:
    api = TheHiveApi(url=URL, apikey="none", max_retries=None)
    return {
        f"{name}.{method}"
        for name, one in endpoints(api).items()
        for method, _ in inspect.getmembers(type(one), inspect.isfunction)
        if not method.startswith("_")
    }


def gone(method: Callable[[Any], Any], reference: Any) -> None:
    """The object cannot be had any more."""
    try:
        found = method(reference)
    except TheHiveError:
        return
    raise AssertionError(f"still there: {found}")


def new_alert(hive: Any, ref: str, **more: Any) -> Any:
    return hive.alert.create({**ALERT, "sourceRef": ref, **more})


def file(folder: Path, name: str, content: str = "content") -> str:
    path = folder / name
    path.write_text(content)
    return str(path)


def alerts(hive: Any, admin: Any, folder: Path) -> None:
    path = file(folder, "sample.txt")
    one = hive.alert.create(
        {**ALERT, "sourceRef": "a1", "observables": [{"dataType": "file", "attachment": "part"}]}, attachment_map={"part": path}
    )
    two, three, four = (new_alert(hive, f"a{n}") for n in (2, 3, 4))
    assert one["observableCount"] == 1 and hive.alert.get(two["_id"]) == two
    hive.alert.update(two["_id"], {"severity": 4, "addTags": ["t"]})
    assert (hive.alert.get(two["_id"])["severity"], hive.alert.get(two["_id"])["tags"]) == (4, ["t"])
    hive.alert.bulk_update({"ids": [two["_id"], three["_id"]], "title": "Both"})
    assert hive.alert.count(Eq("title", "Both")) == 2
    found = hive.alert.find(Eq("title", "Both"), sortby=Asc("_createdAt"), paginate=Paginate(start=0, end=1))
    assert [f["_id"] for f in found] == [two["_id"]]
    hive.alert.unfollow(two["_id"])
    assert hive.alert.get(two["_id"])["follow"] is False
    hive.alert.follow(two["_id"])
    assert hive.alert.get(two["_id"])["follow"] is True
    added = hive.alert.create_observable(two["_id"], {"dataType": "domain", "data": "alert.example"})
    assert hive.alert.find_observables(two["_id"]) == added
    hive.alert.create_observable(three["_id"], {"dataType": "domain", "data": "alert.example"})
    assert [o["data"] for o in hive.alert.get_similar_observables(two["_id"], three["_id"])] == ["alert.example"]
    made = hive.comment.create_in_alert(two["_id"], {"message": "m"})
    assert hive.alert.find_comments(two["_id"]) == [made]
    recorded = hive.alert.create_procedure(two["_id"], PROCEDURE)
    assert hive.alert.find_procedures(two["_id"]) == [recorded]
    (attached,) = hive.alert.add_attachment(two["_id"], [path])
    assert hive.alert.find_attachments(two["_id"]) == [attached]
    hive.alert.download_attachment(two["_id"], attached["_id"], str(folder / "down"))
    assert (folder / "down").read_text() == "content"
    hive.alert.delete_attachment(two["_id"], attached["_id"])
    assert hive.alert.find_attachments(two["_id"]) == []
    case = hive.alert.promote_to_case(two["_id"])
    assert hive.alert.get(two["_id"])["caseId"] == case["_id"]
    hive.alert.merge_into_case(three["_id"], case["_id"])
    hive.alert.import_into_case(four["_id"], case["_id"])
    bulk = [new_alert(hive, f"a{n}")["_id"] for n in (5, 6)]
    assert hive.alert.bulk_merge_into_case(case["_id"], bulk)["_id"] == case["_id"]
    assert hive.alert.count(Eq("caseId", case["_id"])) == 5
    hive.case.unlink_alert(case["_id"], three["_id"])
    assert "caseId" not in hive.alert.get(three["_id"])
    hive.alert.delete(one["_id"])
    gone(hive.alert.get, one["_id"])
    hive.alert.bulk_delete(bulk)
    gone(hive.alert.get, bulk[0])


def cases(hive: Any, admin: Any, folder: Path) -> None:
    path = file(folder, "case.txt")
    one, two, three = (hive.case.create({**CASE, "title": f"Case {n}"}) for n in (1, 2, 3))
    assert hive.case.get(one["_id"]) == one and hive.case.get(str(one["number"]))["_id"] == one["_id"]
    hive.case.update(one["_id"], {"severity": 3})
    hive.case.bulk_update({"ids": [one["_id"], two["_id"]], "tags": ["bulk"]})
    assert hive.case.count(Eq("tags", "bulk")) == 2
    assert [c["_id"] for c in hive.case.find(Eq("severity", 3) & Eq("tags", "bulk"))] == [one["_id"]]
    task = hive.case.create_task(one["_id"], {"title": "Task"})
    assert hive.case.find_tasks(one["_id"]) == [task]
    for case in (one, two):
        hive.case.create_observable(case["_id"], {"dataType": "domain", "data": "case.example"})
    assert [o["data"] for o in hive.case.find_observables(one["_id"])] == ["case.example"]
    assert [o["data"] for o in hive.case.get_similar_observables(one["_id"], two["_id"])] == ["case.example"]
    assert [c["_id"] for c in hive.case.get_linked_cases(one["_id"])] == [two["_id"]]
    assert hive.case.merge_similar_observables(one["_id"]) == {"untouched": 1, "updated": 0, "deleted": 0}
    recorded = hive.case.create_procedure(one["_id"], PROCEDURE)
    assert hive.case.find_procedures(one["_id"]) == [recorded]
    page = hive.case.create_page(one["_id"], PAGE)
    assert hive.case.find_pages(one["_id"]) == [page]
    hive.case.update_page(one["_id"], page["_id"], {"title": "New"})
    assert hive.case.find_pages(one["_id"])[0]["title"] == "New"
    hive.case.delete_page(one["_id"], page["_id"])
    made = hive.comment.create_in_case(one["_id"], {"message": "m"})
    assert hive.case.find_comments(one["_id"]) == [made]
    (attached,) = hive.case.add_attachment(one["_id"], [path])
    assert hive.case.find_attachments(one["_id"]) == [attached]
    hive.case.download_attachment(one["_id"], attached["_id"], str(folder / "case.down"))
    assert (folder / "case.down").read_text() == "content"
    hive.case.delete_attachment(one["_id"], attached["_id"])
    hive.case.link_case(one["_id"], {"type": "parent", "caseId": three["_id"]})
    hive.case.link_url(one["_id"], {"type": "ticket", "url": "https://tracker.example/1"})
    assert hive.case.get_link_types() == ["parent", "ticket"]
    hive.case.delete_case_link(one["_id"], {"type": "parent", "caseId": three["_id"]})
    hive.case.delete_url_link(one["_id"], {"type": "ticket", "url": "https://tracker.example/1"})
    assert hive.case.get_link_types() == []
    assert hive.case.get_timeline(one["_id"])["events"]
    hive.case.manage_access(one["_id"], {"access": {"_kind": "UserAccessKind", "users": [LOGIN]}})
    assert hive.case.get(one["_id"])["access"]["_kind"] == "UserAccessKind"
    hive.case.manage_access(one["_id"], {"access": {"_kind": "OrganisationAccessKind"}})
    hive.case.change_owner_organisation(one["_id"], {"organisation": "main-org"})
    hive.case.close(one["_id"], "TruePositive", summary="done", impact_status="WithImpact")
    assert hive.case.get(one["_id"])["stage"] == "Closed"
    hive.case.open(one["_id"])
    assert hive.case.get(one["_id"])["stage"] == "InProgress"
    merged = hive.case.merge([one["_id"], two["_id"]])
    assert merged["title"] == "Case 1 / Case 2"
    gone(hive.case.get, one["_id"])
    hive.case.delete(merged["_id"])
    gone(hive.case.get, merged["_id"])


def archives(hive: Any, admin: Any, folder: Path) -> None:
    case, archive = hive.case.create(CASE), str(folder / "case.thar")
    hive.case.export_to_file(case["_id"], "a long password", archive)
    imported = hive.case.import_from_file({"password": "a long password"}, archive)
    assert imported["case"]["title"] == "A case" and imported["case"]["number"] != case["number"]


def custom_fields(hive: Any, admin: Any, folder: Path) -> None:
    made = admin.custom_field.create({"name": "hosts", "group": "g", "description": "d", "type": "integer"})
    assert made in admin.custom_field.list()
    admin.custom_field.update(made["_id"], {"displayName": "Hosts"})
    case = hive.case.create({**CASE, "customFields": {"hosts": 3}})
    (value,) = case["customFields"]
    assert hive.case.count(Eq("customFields.hosts", 3)) == 1
    hive.case.delete_custom_field(value["_id"])
    assert hive.case.get(case["_id"])["customFields"] == []
    admin.custom_field.delete(made["_id"], force=True)
    assert made["_id"] not in [one["_id"] for one in admin.custom_field.list()]


def templates(hive: Any, admin: Any, folder: Path) -> None:
    page = hive.page_template.create(PAGE)
    assert hive.page_template.get(page["_id"]) == page and page in hive.page_template.find()
    hive.page_template.update(page["_id"], {"title": "New"})
    made = hive.case_template.create({"name": "tpl", "tags": ["tpl"], "tasks": [{"title": "Task"}]})
    assert hive.case_template.get("tpl") == made
    hive.case_template.update(made["_id"], {"description": "new"})
    assert [t["description"] for t in hive.case_template.find(Eq("name", "tpl"))] == ["new"]
    hive.case_template.link_page_templates(made["_id"], [page["_id"]])
    assert [p["_id"] for p in hive.case_template.find_page_templates(made["_id"])] == [page["_id"]]
    case = hive.case.create(CASE)
    tasks = [one["_id"] for one in made["tasks"]]
    hive.case.apply_case_template(
        {"ids": [case["_id"]], "caseTemplate": "tpl", "updateTags": True, "importTasks": tasks, "importPages": [page["_id"]]}
    )
    assert hive.case.get(case["_id"])["tags"] == ["tpl"] and len(hive.case.find_tasks(case["_id"])) == 1
    hive.case_template.delete(made["_id"])
    gone(hive.case_template.get, made["_id"])
    hive.page_template.delete(page["_id"])
    gone(hive.page_template.get, page["_id"])


def comments_and_procedures(hive: Any, admin: Any, folder: Path) -> None:
    alert, case = new_alert(hive, "c1"), hive.case.create(CASE)
    for made in (
        hive.comment.create_in_alert(alert["_id"], {"message": "in alert"}),
        hive.comment.create_in_case(case["_id"], {"message": "in case"}),
    ):
        assert hive.comment.get(made["_id"]) == made and made in hive.comment.find(Like("message", "in"))
        hive.comment.update(made["_id"], {"message": "changed"})
        assert hive.comment.get(made["_id"])["isEdited"] is True
        hive.comment.delete(made["_id"])
        gone(hive.comment.get, made["_id"])
    one, two = hive.procedure.create_in_alert(alert["_id"], PROCEDURE), hive.procedure.create_in_case(case["_id"], PROCEDURE)
    assert hive.procedure.get(one["_id"]) == one and two in hive.procedure.find(Eq("patternId", "T1059.006"))
    hive.procedure.update(one["_id"], {"description": "changed"})
    hive.procedure.delete(one["_id"])
    gone(hive.procedure.get, one["_id"])
    many = hive.procedure.bulk_create_in_alert(alert["_id"], [PROCEDURE, PROCEDURE])
    many += hive.procedure.bulk_create_in_case(case["_id"], [PROCEDURE])
    hive.procedure.bulk_delete([one["_id"] for one in many])
    gone(hive.procedure.get, many[0]["_id"])
    event = hive.timeline.create_event(case["_id"], {"date": NOW, "title": "Call"})
    assert event["_id"] in [one["entityId"] for one in hive.timeline.get(case["_id"])["events"]]
    hive.timeline.update_event(event["_id"], {"title": "Mail"})
    hive.timeline.delete_event(event["_id"])
    assert event["_id"] not in [one["entityId"] for one in hive.timeline.get(case["_id"])["events"]]


def tasks(hive: Any, admin: Any, folder: Path) -> None:
    path = file(folder, "log.txt")
    case = hive.case.create(CASE)
    one, two = (hive.task.create(case["_id"], {"title": f"Task {n}"}) for n in (1, 2))
    assert hive.task.get(one["_id"]) == one
    hive.task.update(one["_id"], {"status": "InProgress"})
    hive.task.bulk_update({"ids": [one["_id"], two["_id"]], "group": "bulk"})
    assert hive.task.count(Eq("group", "bulk")) == 2 and len(hive.task.find(Eq("group", "bulk"))) == 2
    hive.task.set_as_required(one["_id"], "main-org")
    assert hive.task.get_required_actions(one["_id"]) == {"main-org": True}
    hive.task.set_as_done(one["_id"], "main-org")
    assert hive.task.get_required_actions(one["_id"]) == {"main-org": False}
    log = hive.task.create_log(one["_id"], {"message": "plain"})
    second = hive.task_log.create(one["_id"], {"message": "with file", "attachments": [path]})
    assert [a["name"] for a in second["attachments"]] == ["log.txt"] and hive.task_log.get(log["_id"]) == log
    assert hive.task.find_logs(one["_id"], sortby=Asc("_createdAt")) == [log, second]
    hive.task_log.update(log["_id"], {"message": "changed", "includeInTimeline": NOW})
    hive.task_log.add_attachment(log["_id"], [path])
    hive.task_log.add_attachments(log["_id"], [path])
    names = hive.task_log.get(log["_id"])["attachments"]
    assert len(names) == 2
    hive.task_log.delete_attachment(log["_id"], names[0]["_id"])
    assert len(hive.task_log.get(log["_id"])["attachments"]) == 1
    hive.task_log.delete(log["_id"])
    gone(hive.task_log.get, log["_id"])
    hive.task.delete(one["_id"])
    gone(hive.task.get, one["_id"])


def observables(hive: Any, admin: Any, folder: Path) -> None:
    path = file(folder, "evil.bin", "malicious")
    alert, case = new_alert(hive, "o1"), hive.case.create(CASE)
    (one,) = hive.observable.create_in_alert(alert["_id"], {"dataType": "ip", "data": "192.0.2.1"})
    (two,) = hive.observable.create_in_case(case["_id"], {"dataType": "file"}, observable_path=path)
    assert hive.observable.get(one["_id"]) == one
    hive.observable.update(one["_id"], {"ioc": True, "tags": ["every"]})
    hive.observable.bulk_update({"ids": [one["_id"], two["_id"]], "message": "bulk"})
    assert hive.observable.count(Eq("message", "bulk")) == 2
    assert [o["_id"] for o in hive.observable.find(Eq("tags", "every"))] == [one["_id"]]
    hive.observable.download_attachment(two["_id"], two["attachment"]["_id"], str(folder / "plain"))
    assert (folder / "plain").read_text() == "malicious"
    hive.observable.download_attachment(two["_id"], two["attachment"]["_id"], str(folder / "zip"), as_zip=True)
    with zipfile.ZipFile(folder / "zip") as archive:
        assert archive.read("evil.bin", pwd=b"malware") == b"malicious"
    hive.observable.delete(one["_id"])
    gone(hive.observable.get, one["_id"])
    made = admin.observable_type.create({"name": "imei", "isAttachment": False})
    assert admin.observable_type.get("imei") == made and admin.observable_type.find(Eq("name", "imei")) == [made]
    admin.observable_type.delete(made["_id"])
    gone(admin.observable_type.get, made["_id"])


def sharing(hive: Any, admin: Any, folder: Path) -> None:
    partner = admin.organisation.create({"name": "partner", "description": "d"})
    admin.user.create(
        {"login": "analyst@partner.example", "name": "P", "profile": "analyst", "organisation": "partner", "password": "p" * 12}
    )
    admin.organisation.link("main-org", "partner", {"linkType": "default", "otherLinkType": "default"})
    theirs = client("partner", "analyst@partner.example", "p" * 12)
    assert [one["organisation"]["name"] for one in hive.organisation.list_links("main-org")] == ["partner"]
    assert {one["name"] for one in hive.organisation.list_sharing_profiles()} == {"default", "supervised", "notify"}
    case = hive.case.create(CASE)
    task = hive.task.create(case["_id"], {"title": "Task"})
    (observable,) = hive.observable.create_in_case(case["_id"], {"dataType": "ip", "data": "192.0.2.2"})
    hive.case.share(case["_id"], [{"organisation": "partner"}])
    (share,) = hive.case.list_shares(case["_id"])
    assert share["organisationName"] == "partner" and theirs.case.get(case["_id"])["title"] == "A case"
    gone(theirs.task.get, task["_id"])
    hive.task.share(task["_id"], ["partner"])
    assert theirs.task.get(task["_id"])["title"] == "Task" and len(hive.task.list_shares(task["_id"])) == 1
    hive.task.unshare(task["_id"], ["partner"])
    gone(theirs.task.get, task["_id"])
    hive.observable.share(observable["_id"], [partner["_id"]])
    assert len(hive.observable.list_shares(observable["_id"])) == 1
    assert theirs.observable.get(observable["_id"])["data"] == "192.0.2.2"
    hive.observable.unshare(observable["_id"], ["partner"])
    gone(theirs.observable.get, observable["_id"])
    hive.case.unshare(case["_id"], ["partner"])
    gone(theirs.case.get, case["_id"])
    hive.case.set_share(case["_id"], [{"organisation": "partner", "profile": "read-only"}])
    (share,) = hive.case.list_shares(case["_id"])
    hive.case.remove_share(share["_id"])
    gone(theirs.case.get, case["_id"])
    admin.organisation.unlink("main-org", "partner")
    links = [{"toOrganisation": "partner", "linkType": "notify", "otherLinkType": "default"}]
    admin.organisation.bulk_link("main-org", links)
    assert [one["linkType"] for one in admin.organisation.list_links("main-org")] == ["notify"]


def organisations(hive: Any, admin: Any, folder: Path) -> None:
    path = file(folder, "plan.txt")
    made = admin.organisation.create({"name": "fresh", "description": "d"})
    assert admin.organisation.get("fresh") == made and admin.organisation.count(Eq("name", "fresh")) == 1
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    admin.organisation.update("fresh", {"description": "new", "avatar": picture})
    (found,) = admin.organisation.find(Eq("name", "fresh"))
    assert found["description"] == "new"
    admin.organisation.get_avatar(found["_id"], found["avatar"], str(folder / "avatar.png"))
    assert (folder / "avatar.png").read_bytes().startswith(b"\x89PNG")
    (attached,) = hive.organisation.add_attachment([path])
    assert attached in hive.organisation.find_attachments("main-org")
    hive.organisation.download_attachment(attached["_id"], str(folder / "plan.down"))
    assert (folder / "plan.down").read_text() == "content"
    hive.organisation.delete_attachment(attached["_id"])
    assert hive.organisation.find_attachments("main-org") == []


def people(hive: Any, admin: Any, folder: Path) -> None:
    assert hive.user.get_current()["login"] == LOGIN
    made = hive.user.create({"login": "new@main.example", "name": "New", "profile": "analyst", "organisation": "main-org"})
    assert hive.user.get("new@main.example") == made and hive.user.count(Eq("login", "new@main.example")) == 1
    hive.user.update(made["_id"], {"name": "Newer"})
    assert [u["name"] for u in hive.user.find(Eq("login", "new@main.example"))] == ["Newer"]
    hive.user.lock(made["_id"])
    assert hive.user.get(made["_id"])["locked"] is True
    hive.user.unlock(made["_id"])
    wanted = [{"organisation": "main-org", "profile": "read-only", "default": True}]
    assert admin.user.set_organisations(made["_id"], wanted) == wanted
    hive.user.set_password(made["_id"], "first password")
    own = client("main-org", "new@main.example", "first password")
    own.user.change_password(made["_id"], "second password", "first password")
    key = hive.user.renew_apikey(made["_id"])
    assert hive.user.get_apikey(made["_id"]) == key
    hive.user.remove_apikey(made["_id"])
    assert hive.user.get(made["_id"])["hasKey"] is False
    hive.user.delete(made["_id"], organisation="main-org")
    gone(hive.user.get, made["_id"])
    profile = admin.profile.create({"name": "tier-1", "permissions": ["manageAlert/update"]})
    assert admin.profile.get("tier-1") == profile and admin.profile.count(Eq("name", "tier-1")) == 1
    admin.profile.update(profile["_id"], {"permissions": []})
    assert [p["permissions"] for p in admin.profile.find(Eq("name", "tier-1"))] == [[]]
    admin.profile.delete(profile["_id"])
    gone(admin.profile.get, profile["_id"])


def connectors(hive: Any, admin: Any, folder: Path) -> None:
    assert hive.cortex.list_analyzers() == [] and hive.cortex.list_analyzers(range="all") == []
    assert hive.cortex.list_analyzers_by_type("ip") == []
    gone(hive.cortex.get_analyzer, "unknown")
    case = hive.case.create(CASE)
    assert hive.cortex.list_responders("case", case["_id"]) == []
    (one,) = hive.observable.create_in_case(case["_id"], {"dataType": "ip", "data": "192.0.2.3"})
    wanted = {"analyzerId": "unknown", "cortexId": "none", "artifactId": one["_id"]}
    job = hive.cortex.create_analyzer_job(wanted)
    assert hive.cortex.get_analyzer_job(job["_id"])["_id"] == job["_id"]
    (second,) = hive.cortex.bulk_create_analyzer_jobs([wanted])
    assert {j["_id"] for j in hive.cortex.find_analyzer_jobs()} >= {job["_id"], second["_id"]}
    try:
        action = hive.cortex.create_responder_action({"responderId": "unknown", "objectType": "case", "objectId": case["_id"]})
        assert action["objectId"] == case["_id"]
    except TheHiveError as refused:
        assert "responder" in str(refused).lower(), refused
    assert hive.misp.get_status()["syncInProgress"] is False
    hive.misp.sync()
    try:
        hive.misp.export_case(case["_id"], "nowhere")
        raise AssertionError("exported to nowhere")
    except TheHiveError as refused:
        assert "MISP server nowhere not found" in str(refused)


def cases_from_misp(hive: Any, admin: Any, folder: Path) -> None:
    try:
        hive.misp.import_case({}, file(folder, "event.json", "{}"))
        raise AssertionError("imported nothing")
    except TheHiveError as refused:
        assert "Could not convert json to MISP event" in str(refused)


def queries(hive: Any, admin: Any, folder: Path) -> None:
    alert = new_alert(hive, "q1")
    assert hive.query.run([{"_name": "getAlert", "idOrName": alert["_id"]}]) == [alert]
    (slim,) = hive.query.run([{"_name": "getAlert", "idOrName": alert["_id"]}], exclude_fields=["description"])
    assert "description" not in slim


AREAS = (
    alerts, cases, archives, cases_from_misp, custom_fields, templates, comments_and_procedures, tasks, observables, sharing,
    organisations, people, connectors, queries,
)  # fmt: skip


def main() -> None:
    hive, admin = client("main-org"), client("admin")
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for area in AREAS:
            try:
                area(hive, admin, Path(folder))
            except Exception:
                failed[area.__name__] = traceback.format_exc(limit=2)
    print(json.dumps({"missing": sorted(public_methods() - called), "failed": failed}))


main()
