"""The story: alert → duplicate → MISP feed → case → analysis → refusal → log → MISP's calls → export. Each step checks itself."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

from launcher.demo.http import Api
from launcher.processes import CORTEX_INSTANCE, Platform
from launcher.settings import ROOT

DEMO = ROOT / "deploy" / "local" / "demo"
CLIENT = ROOT / ".venvs" / "client-thehive4py-2" / "bin" / "python"
WAIT_SECONDS = 120.0
RED = 4


def say(text: str) -> None:
    print(text, flush=True)


def check(condition: Any, what: str) -> None:
    """The story stops at the first thing that is not as it should be."""
    if not condition:
        raise AssertionError(what)


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """The first true value that `look` gives; what is awaited is said when it never comes."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {WAIT_SECONDS:.0f} s")


class Story:
    """State that one step hands to the next."""

    def __init__(self, platform: Platform) -> None:
        keys = platform.credentials
        self.hive = Api(platform.url("hive"), keys["hive"]["api_key"])
        self.cortex = Api(platform.url("cortex"), keys["cortex"]["api_key"])
        self.misp = Api(platform.url("misp-connector"), keys["misp-connector"]["api_key"])
        self._hive_key = keys["hive"]["api_key"]
        self.alert: dict[str, Any] = {}
        self.case: dict[str, Any] = {}
        self.observables: list[dict[str, Any]] = []

    def feeder(self, command: str, *args: str) -> tuple[int, Any]:
        """Runs the stock client as a feeder does; its status and what it printed."""
        env = {**os.environ, "HIVE_API_KEY": self._hive_key}
        line = [str(CLIENT), str(DEMO / "feeder.py"), command, self.hive.url, *args]
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=120)
        check(done.returncode in (0, 3), f"the feeder ended with {done.returncode}: {done.stderr[-800:]}")
        return done.returncode, json.loads(done.stdout)

    # --- the steps ---------------------------------------------------------------------------------------------------

    def post_alert(self) -> str:
        """A feeder posts a phishing alert with six observables, one of them a file (thehive4py 2.1.0)"""
        status, self.alert = self.feeder("alert", str(DEMO / "phishing.eml"))
        check(status == 0, f"the alert was refused: {self.alert}")
        check(self.alert["observableCount"] == 6, f"expected 6 observables, got {self.alert['observableCount']}")
        return f"alert {self.alert['_id']}: {self.alert['title']}, {self.alert['observableCount']} observables"

    def post_it_again(self) -> str:
        """The same alert again is refused as a duplicate"""
        status, answer = self.feeder("alert", str(DEMO / "phishing.eml"))
        check(status == 3 and answer["status"] == 400, f"expected a 400, got {answer}")
        check("already exist" in answer["refused"], f"unexpected reason: {answer['refused']}")
        return str(answer["refused"])

    def poll_feed(self) -> str:
        """A MISP feed of two events is polled; both appear as alerts"""
        made = self.misp.post("/api/instances", self.feed())
        self.misp.post(f"/api/instances/{made['name']}/poll")
        step = {"_name": "filter", "_field": "type", "_value": "misp"}
        alerts = wait_for("two alerts from the feed", lambda: _all(self.hive.query({"_name": "listAlert"}, step), 2))
        return "; ".join(f"alert {a['_id']}: {a['title']} ({a['observableCount']} observables)" for a in alerts)

    def feed(self) -> dict[str, Any]:
        return {"name": "demo-feed", "kind": "feed", "url": (DEMO / "feed").as_uri(), "enabled": True}

    def promote(self) -> str:
        """The phishing alert becomes case #1 with the template Phishing"""
        self.case = self.hive.post(f"/api/v1/alert/{self.alert['_id']}/case", {"caseTemplate": "Phishing"})
        check(self.case["number"] == 1, f"expected case 1, got {self.case['number']}")
        tasks = self.tasks()
        check(tasks, "the template's tasks are not there")
        return f"case #{self.case['number']} with tasks: {', '.join(t['title'] for t in tasks)}"

    def tasks(self) -> list[dict[str, Any]]:
        return self.hive.query({"_name": "getCase", "idOrName": self.case["_id"]}, {"_name": "tasks"})

    def case_observables(self) -> list[dict[str, Any]]:
        return self.hive.query({"_name": "getCase", "idOrName": self.case["_id"]}, {"_name": "observables"})

    def analyzers(self, data_type: str) -> list[dict[str, Any]]:
        return list(self.hive.get(f"/api/connector/cortex/analyzer/type/{data_type}"))

    def analyze(self) -> str:
        """Every observable is analyzed by every analyzer that takes its type, over the bus"""
        self.observables = self.case_observables()
        check(len(self.observables) == 6, f"expected 6 observables in the case, got {len(self.observables)}")
        wait_for("cortex' list of analyzers", lambda: self.analyzers("file"))
        wanted = [
            {"analyzerId": worker["id"], "cortexId": CORTEX_INSTANCE, "artifactId": observable["_id"]}
            for observable in self.observables
            for worker in self.analyzers(observable["dataType"])
        ]
        check(len(wanted) >= 9, f"expected 9 jobs or more, got {len(wanted)}")
        jobs = self.hive.post("/api/v1/connector/cortex/job/_bulk", {"jobs": wanted})
        ids = {job["_id"] for job in jobs}
        began = time.monotonic()
        ended = wait_for("the end of all jobs", lambda: self.ended(ids))
        failed = [
            f"{j['analyzerName']}: {(j.get('report') or {}).get('errorMessage')}" for j in ended if j["status"] != "Success"
        ]
        check(not failed, f"jobs failed: {failed}")
        return f"{len(ended)} jobs ended in {time.monotonic() - began:.1f} s"

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job with its report, which lists leave out."""
        return dict(self.hive.get(f"/api/connector/cortex/job/{job['_id']}"))

    def reason(self, job: dict[str, Any]) -> str:
        return str((self.job(job).get("report") or {}).get("errorMessage"))

    def ended(self, ids: set[str]) -> list[dict[str, Any]]:
        jobs = [job for job in self.hive.query({"_name": "listJob"}) if job["_id"] in ids]
        done = [job for job in jobs if job["status"] in ("Success", "Failure")]
        return done if len(done) == len(ids) else []

    def verdicts(self) -> str:
        """The verdict lines are on the observables, and the mail's report can be read in full"""
        lines = []
        for observable in self.case_observables():
            for report in observable["reports"].values():
                lines += [
                    f"{observable.get('data') or observable['attachment']['name']}: "
                    f'{t["namespace"]}:{t["predicate"]}="{t["value"]}" ({t["level"]})'
                    for t in report["taxonomies"]
                ]
        check(len(lines) >= 9, f"expected 9 verdict lines or more, got {lines}")
        mail = next(j for j in self.hive.query({"_name": "listJob"}) if j["analyzerName"].startswith("EmailMessage"))
        report = self.job(mail)["report"]["full"]
        check(report["subject"] == "Your salary statement needs your confirmation", f"unexpected report: {report}")
        shown = {k: report[k] for k in ("subject", "from", "reply_to", "authentication", "oddities", "attachments")}
        return "\n".join(lines) + "\n" + json.dumps(shown, indent=2)

    def refuse_red(self) -> str:
        """A RED observable is refused by the TLP check, with the reason"""
        path = f"/api/v1/case/{self.case['_id']}/observable"
        made = self.hive.post(path, {"dataType": "domain", "data": "red.payroll-acme.example", "tlp": RED})[0]
        worker = self.analyzers("domain")[0]
        order = {"analyzerId": worker["id"], "cortexId": CORTEX_INSTANCE, "artifactId": made["_id"]}
        job = self.hive.post("/api/connector/cortex/job", order)
        ended = wait_for("the end of the RED job", lambda: self.ended({job["_id"]}))[0]
        reason = self.reason(ended)
        check(ended["status"] == "Failure" and "TLP" in reason, f"expected a refusal, got {ended}")
        return f"{worker['name']}: {ended['status']}: {reason}"

    def add_log(self) -> str:
        """A log with an attachment is added to a task (thehive4py 2.1.0)"""
        task = self.tasks()[0]
        status, log = self.feeder("log", task["_id"], str(DEMO / "phishing.eml"))
        check(status == 0 and log["attachments"], f"the log has no attachment: {log}")
        return f"task {task['title']}: {log['attachments'][0]['name']}, {log['attachments'][0]['size']} bytes"

    def misp_calls(self) -> str:
        """MISP's own two calls, GET /modules and POST /query, return an enrichment"""
        modules = self.cortex.get("/modules")
        module = next(m["name"] for m in modules if "url" in m["mispattributes"]["input"])
        answer = self.cortex.post("/query", {"module": module, "url": "https://portal.payroll-acme.example/login"})
        check(answer.get("results"), f"no enrichment: {answer}")
        values = [r["values"][0] for r in answer["results"] if "cortex" not in r["types"]]
        return f"{len(modules)} modules; {module} returned {len(answer['results'])} results, among them {values[:3]}"

    def export(self) -> str:
        """The case's IOCs leave as defanged CSV"""
        path = f"/api/v1/case/{self.case['_id']}/observable/_export?format=csv&ioc=true&protect=true"
        text = str(self.hive.get(path))
        check("payroll-acme[.]example" in text and "payroll-acme.example" not in text, f"not defanged: {text[:400]}")
        return text.strip()


STEPS = (
    Story.post_alert,
    Story.post_it_again,
    Story.poll_feed,
    Story.promote,
    Story.analyze,
    Story.verdicts,
    Story.refuse_red,
    Story.add_log,
    Story.misp_calls,
    Story.export,
)


def _all(found: list[Any], number: int) -> list[Any]:
    return found if len(found) >= number else []


def play(platform: Platform) -> bool:
    """Plays all steps and prints what came back; True when everything was as it should be."""
    story = Story(platform)
    bus = "RabbitMQ" if platform.settings.amqp_url else "PostgreSQL"
    say(f"\nThe story, over the bus on {bus}:")
    for number, step in enumerate(STEPS, start=1):
        say(f"\n{number}. {step.__doc__}")
        try:
            result = step(story)
        except (AssertionError, OSError, KeyError, IndexError, TypeError, StopIteration, subprocess.SubprocessError) as error:
            say(f"   MISMATCH: {type(error).__name__}: {error}")
            return False
        say("   " + result.replace("\n", "\n   "))
    say(f"\nAll {len(STEPS)} steps came out as they should.")
    return True
