"""Every public method of cortex4py 2.1.0 against a cortex: run in the client's own environment.

Arguments: the server's URL, the key of an analyst who administers his organisation, and the superadmin's. Prints one line of
JSON: `missing` are methods that nothing here called (a new release's), `failed` what went wrong, by area.
"""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cortex4py import exceptions
from cortex4py import query as queries
from cortex4py.api import Api
from cortex4py.models import Organization, User

warnings.simplefilter("ignore", DeprecationWarning)
URL, KEY, ROOT_KEY = sys.argv[1:4]
CONTROLLERS = ("organizations", "users", "jobs", "analyzers", "responders")
CONFIG = {"configuration": {"key": "k", "check_tlp": True, "max_tlp": 2}, "jobCache": 5}
IP = {"data": "203.0.113.5", "dataType": "ip", "tlp": 1, "message": "m", "parameters": {"k": "v"}}
called: set[str] = set()


def functions(of: Any) -> list[str]:
    return [name for name, _ in inspect.getmembers(of, inspect.isfunction) if not name.startswith("_")]


class Recorded:
    """Remembers which functions of its target were called from here; the library's own calls do not count."""

    def __init__(self, name: str, target: Any) -> None:
        self.name, self.target = name, target

    def __getattr__(self, method: str) -> Any:
        called.add(f"{self.name}.{method}")
        return getattr(self.target, method)


class Client:
    """The library's client, its controllers recorded."""

    def __init__(self, key: str, url: str = URL) -> None:
        api = Api(url, key)
        self.api: Any = Recorded("api", api)
        for name in CONTROLLERS:
            setattr(self, name, Recorded(name, getattr(api, name)))


q: Any = Recorded("query", queries)


def public_methods() -> set[str]:
    api = Api(URL, "none")
    found = {f"{name}.{method}" for name in CONTROLLERS for method in functions(type(getattr(api, name)))}
    return found | {f"api.{method}" for method in functions(Api)} | {f"query.{name}" for name in functions(queries)}


def refused(kind: type[Exception], call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except kind:
        return
    raise AssertionError(f"{call} was not refused with {kind.__name__}")


def organisations(own: Any, root: Any) -> None:
    made = root.organizations.create(Organization({"name": "second", "description": "d", "status": "Active"}))
    assert made.id == made.name == "second" and root.organizations.get_by_id("second").description == "d"
    assert root.organizations.create({"name": "third", "description": "d"}).status == "Active"
    assert root.organizations.update("second", {"description": "e", "name": "never sent"}).description == "e"
    assert (
        root.organizations.update("second", Organization({"description": "f", "status": "Active"}), ["status"]).description == "e"
    )
    assert [o.id for o in root.organizations.find_all({}, range="all", sort="+name")] == ["cortex", "main-org", "second", "third"]
    assert root.organizations.count({}) == 4 and root.organizations.count(q.Eq("name", "second")) == 1
    assert root.organizations.find_one_by(q.Eq("name", "second")).id == "second"
    assert root.organizations.find_one_by(q.Eq("name", "nobody's")) is None
    assert root.organizations.delete("third") is True and root.organizations.get_by_id("third").status == "Locked"
    first = [a.name for a in own.organizations.get_analyzers()]
    assert len(first) == 10 and "Look_1_0" in first, "a page, by name"
    refused(exceptions.InvalidInputError, root.organizations.create, {"name": "second", "description": "again"})
    refused(exceptions.InvalidInputError, root.organizations.delete, "cortex")
    refused(exceptions.AuthorizationError, own.organizations.find_all, {})
    refused(exceptions.NotFoundError, root.organizations.get_by_id, "nothing")


def people(own: Any, root: Any) -> None:
    new = {"login": "u@second", "name": "U", "roles": ["read", "analyze"], "organization": "second"}
    made = root.users.create(User(new))
    assert made.id == "u@second" and made.hasKey is False and made.status == "Ok"
    own.users.create({"login": "reader", "name": "R", "roles": ["read"], "organization": "main-org"})
    key = root.users.set_key("u@second")
    assert len(key) >= 32 and root.users.get_key("u@second") == key
    newer = root.users.renew_key("u@second")
    refused(exceptions.AuthenticationError, Client(key).users.find_all, {})
    self = Client(newer)
    assert self.analyzers.find_all({}) == [] and self.users.get_by_id("u@second").name == "U"
    assert root.users.set_password("u@second", "first password") is True
    assert self.users.change_password("u@second", "first password", "second password") is True
    refused(exceptions.AuthorizationError, self.users.change_password, "u@second", "first password", "third password")
    assert root.users.update("u@second", {"name": "V", "roles": ["read"]}, ["name"]).roles == ["read", "analyze"]
    assert root.users.update("u@second", {"roles": ["read"]}).roles == ["read"]
    assert [u.name for u in root.organizations.get_users("second", q.Eq("name", "V"), range="0-5", sort="+name")] == ["V"]
    assert root.users.find_one_by(q.Eq("organization", "second"), sort="-name").id == "u@second"
    assert {u.id for u in root.users.find_all(q.In("status", ["Ok"]), range="all")} >= {"u@second", "reader", "hive"}
    assert root.users.revoke_key("u@second") is True
    refused(exceptions.InvalidInputError, root.users.get_key, "u@second")
    assert root.users.lock("u@second").status == "Locked"
    refused(exceptions.NotFoundError, root.users.get_by_id, "nobody")
    refused(exceptions.AuthorizationError, own.users.update, "reader", {"roles": ["superadmin"]})


def analyzers(own: Any, root: Any) -> None:
    assert {d.id for d in own.analyzers.definitions()} >= {f"{n}_1_0" for n in ("Guarded", "Look", "Refuse", "Sleep", "Strict")}
    refused(exceptions.InvalidInputError, own.analyzers.enable, "Guarded_1_0", {"configuration": {}})
    refused(exceptions.InvalidInputError, own.analyzers.enable, "Guarded_1_0", {"configuration": {"key": "k", "odd": 1}})
    refused(exceptions.NotFoundError, own.analyzers.enable, "Nothing_1_0", {"configuration": {}})
    one = own.analyzers.enable("Guarded_1_0", dict(CONFIG))
    assert one.name == "Guarded_1_0" and (one.maxTlp, one.jobCache) == (2, 5)
    refused(exceptions.InvalidInputError, own.analyzers.enable, "Guarded_1_0", dict(CONFIG))
    assert own.analyzers.get_by_id(one.id).id == own.analyzers.get_by_name("Guarded_1_0").id == one.id
    assert one.id in {a.id for a in own.analyzers.get_by_type("ip")} and own.analyzers.get_by_type("nothing") == []
    both = q.And(q.Eq("dataTypeList", "file"), q.Not(q.Eq("name", "Look_1_0")), q.Or(q.Id(one.id), q.Eq("name", "x")))
    assert [a.id for a in own.analyzers.find_all(both, range="all")] == [one.id]
    assert [a.name for a in own.analyzers.find_all({}, range="0-2", sort="-name")] == ["Strict_1_0", "Sleep_1_0"]
    assert own.analyzers.find_one_by(q.String("name:Guarded*")).id == one.id
    assert own.analyzers.find_one_by(q.Parent("organization", q.Eq("name", "main-org")), sort="+name").id == one.id
    assert own.analyzers.find_one_by(q.ParentId("organization", "main-org"), sort="+name").id == one.id
    changed = own.analyzers.update(one.id, {"rate": 100, "rateUnit": "Hour", "configuration": {"key": "new"}, "name": "not sent"})
    assert (changed.rate, changed.name, changed.configuration["key"] != "new") == (100, "Guarded_1_0", True)
    job = own.analyzers.run_by_id(one.id, IP)
    assert job.status in ("Waiting", "InProgress", "Success") and job.workerId == one.id
    assert own.analyzers.disable(one.id) is True
    refused(exceptions.NotFoundError, own.analyzers.get_by_id, one.id)
    refused(exceptions.AuthorizationError, root.analyzers.find_all, {})
    refused(exceptions.CortexError, own.analyzers.run_by_name, "Nothing", IP)


def jobs(own: Any, root: Any) -> None:
    job = own.analyzers.run_by_name("Look_1_0", IP, force=1)
    done = own.jobs.get_report_async(job.id)
    assert done.status == "Success" and done.report["full"]["value"] == "203.0.113.5", done.json()
    assert done.report["summary"]["taxonomies"][0]["level"] == "malicious" and done.report["success"] is True
    assert own.jobs.get_report(job.id).report == done.report and own.jobs.get_by_id(job.id).message == "m"
    assert [a.data for a in own.jobs.get_artifacts(job.id)] == ["found.example.org"]
    assert own.analyzers.run_by_name("Look_1_0", IP).id == job.id, "a fresh report answers an equal request"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a name.txt")
        path.write_text("text of a file")
        upload = own.analyzers.run_by_name("Look_1_0", {"data": str(path), "dataType": "file", "tlp": 1}, force=1)
    assert upload.attachment["contentType"] == "text/plain" and upload.attachment["name"] == "a name.txt"
    assert own.jobs.get_report_async(upload.id, "30seconds").report["full"]["size"] == 14
    (found,) = own.jobs.get_artifacts(upload.id)
    assert found.attachment["size"] == 14
    red = own.analyzers.run_by_name("Strict_1_0", {**IP, "tlp": 3})
    assert own.jobs.get_report(red.id).report["errorMessage"] == "TLP is higher than allowed."
    newest = own.jobs.find_all(q.Eq("data", "203.0.113.5"), range="all", sort=["-createdAt"])
    assert [j.id for j in newest][:1] == [red.id] and job.id in {j.id for j in newest}
    assert own.jobs.find_one_by(q.And(q.Gt("createdAt", 0), q.Eq("status", "Failure"))).id == red.id
    begun = done.startDate
    times = q.And(q.Gte("startDate", begun), q.Lte("startDate", begun), q.Lt("createdAt", begun + 1), q.Contains("endDate"))
    assert own.jobs.find_one_by(times).id == job.id
    assert own.jobs.find_one_by(q.Between("createdAt", job.createdAt - 1, job.createdAt + 1)) is not None
    assert own.jobs.find_one_by(q.Type("job")) is not None
    who_found = q.Child("report", q.Child("artifact", q.Eq("data", "found.example.org")))
    assert job.id in {j.id for j in own.jobs.find_all(who_found, range="all")}
    assert own.jobs.find_all(q.Child("report", q.Eq("verdict", "safe"))) == []
    assert own.jobs.delete(red.id) is True
    assert red.id not in {j.id for j in own.jobs.find_all({}, range="all")} and own.jobs.get_by_id(red.id).status == "Deleted"


def responders(own: Any, root: Any) -> None:
    assert {d.id for d in own.responders.definitions()} == {"Answer_1_0", "Reply_1_0"}
    one = own.responders.enable("Answer_1_0", {"configuration": {"key": "k"}})
    assert own.responders.get_by_id(one.id).id == own.responders.get_by_name("Answer_1_0").id == one.id
    assert (
        one.id in {r.id for r in own.responders.get_by_type("thehive:case")}
        and own.responders.get_by_type("thehive:case_task") == []
    )
    assert [r.name for r in own.responders.find_all({}, range="all", sort="+name")] == ["Answer_1_0", "Reply_1_0"]
    assert own.responders.find_one_by(q.Eq("dataTypeList", "thehive:alert")).name == "Reply_1_0"
    assert own.responders.update(one.id, {"jobTimeout": 3, "name": "not sent"}).jobTimeout == 3
    action = own.responders.run_by_id(one.id, {"data": {"title": "x"}, "dataType": "thehive:case"})
    ended = own.jobs.get_report_async(action.id, "30seconds")
    assert ended.report["full"]["title"] == "x" and ended.data == {"title": "x"}, ended.json()
    assert ended.report["operations"] == [{"type": "AddTagToCase", "tag": "replied"}, {"type": "CloseTask"}]
    named = own.responders.run_by_name(
        "Reply_1_0", {"data": {"title": "y"}, "dataType": "thehive:case", "tlp": 1, "message": "4"}
    )
    assert own.jobs.get_report_async(named.id, "30seconds").report["full"]["title"] == "y"
    assert own.responders.disable(one.id) is True
    refused(exceptions.NotFoundError, own.responders.get_by_id, one.id)


def client_itself(own: Any, root: Any) -> None:
    assert own.api.status().json()["versions"]["Cortex"].startswith("4.")
    assert {a.name for a in own.api.get_analyzers()} >= {"Look_1_0"} and own.api.get_analyzers("nothing") == []
    job = own.api.run_analyzer("Look_1_0", "domain", 2, "old.example.org")
    assert own.api.get_job_report(job.id).status == "Success" and own.api.delete_job(job.id) is True
    assert own.api.do_get("user/current").json()["id"] == "hive"
    found = own.api.do_post("analyzer/_search", {"query": {}}, {"range": "0-1"}).json()[0]
    assert own.api.do_patch(f"analyzer/{found['id']}", {"jobCache": 7}).json()["jobCache"] == 7
    sent = own.api.do_file_post(
        f"analyzer/{found['id']}/run", {"_json": '{"dataType": "file"}'}, files={"data": ("n", b"c", "a/b")}
    )
    assert own.api.do_delete(f"job/{sent.json()['id']}") is True
    refused(exceptions.AuthenticationError, Client("wrong").analyzers.find_all, {})
    refused(exceptions.ServiceUnavailableError, Client("any", "http://127.0.0.1:1").api.status)


AREAS = (organisations, people, analyzers, jobs, responders, client_itself)


def main() -> None:
    own, root = Client(KEY), Client(ROOT_KEY)
    failed: dict[str, str] = {}
    for area in AREAS:
        try:
            area(own, root)
        except Exception:
            failed[area.__name__] = traceback.format_exc(limit=3)
    print(json.dumps({"missing": sorted(public_methods() - called), "failed": failed}))


main()
