"""The runner as a process of its own, against real child programs: good ones, and every way an analyzer can go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

WRITE = """
import json, os, sys, pathlib
job = pathlib.Path(sys.argv[1])
given = json.loads((job / "input" / "input.json").read_text())
def report(**fields):
    (job / "output" / "output.json").write_text(json.dumps({"success": True, "full": {}, **fields}))
"""
SAY_DATA = WRITE + 'report(full={"seen": given["data"]}, summary={"taxonomies": []})\n'


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def test_runner_imports_no_framework() -> None:
    code = "import cortex.runner.loop, sys; print({'fastapi', 'sqlalchemy', 'pydantic', 'structlog'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


async def test_missing_setting_is_named() -> None:
    done = subprocess.run([sys.executable, "-m", "cortex.runner"], env={"PATH": "/bin"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "CORTEX_DATABASE_SYSTEM_URL is not set" in done.stderr


class TestGoodAnalyzer:
    async def test_report_artifacts_and_announcement_are_stored(self, bench: Any) -> None:
        command = bench.program(
            "Good",
            WRITE
            + """
(job / "output" / "x1").write_bytes(b"dropped")
print("a word on the way")
report(
    full={"answer": given["data"], "config": given["config"], "cwd": os.getcwd(), "env": dict(os.environ)},
    summary={"taxonomies": [{"level": "odd", "namespace": "T", "predicate": "P", "value": 3}]},
    operations=[{"type": "AddTagToCase", "tag": "x"}],
    artifacts=[
        {"dataType": "domain", "data": "example.org", "tlp": 3, "tags": ["autoImport:true"], "unknown": 1},
        {"dataType": "file", "file": "x1", "filename": "../evil:name.txt"},
        {"dataType": "file", "file": "../input/input.json", "filename": "stolen"},
        {"type": "ip", "value": "198.51.100.1"},
        {"dataType": "other", "data": 7},
    ],
)
sys.exit(1)
""",
        )
        worker = await bench.worker(command, config={"max_tlp": None}, flavor_config={"check_tlp": True, "max_tlp": 2})
        job = await bench.submit(worker, announced=True)
        bench.start_runner()
        row = await bench.ended(job)

        assert (row["status"], row["error_message"], row["attempt"]) == ("Success", None, 1)
        assert row["start_date"] <= row["end_date"]
        report = await bench.report(job)
        assert report["full"]["answer"] == "203.0.113.5"
        assert report["full"]["config"]["max_tlp"] == 2, "a null of the worker's must not override the flavor"
        assert report["full"]["config"]["auto_extract_artifacts"] is False
        assert report["full"]["cwd"] == str(bench.folder / "analyzers")
        assert "CORTEX_CANARY" not in report["full"]["env"] and "CORTEX_SECRET_KEY" not in report["full"]["env"]
        assert report["full"]["env"]["PATH"].startswith(str(Path(sys.executable).parent))
        assert report["summary"]["taxonomies"] == [{"level": "info", "namespace": "T", "predicate": "P", "value": 3}]
        assert report["operations"] == [{"type": "AddTagToCase", "tag": "x"}]
        found = await bench.owner.fetch(
            "SELECT data_type, data, tlp, tags, encode(sha256, 'hex') AS sha256, a.name FROM artifacts"
            " LEFT JOIN attachments a ON a.id = attachment_id ORDER BY artifacts.id"
        )
        assert [tuple(r)[:4] for r in found] == [
            ("domain", "example.org", "RED", ["autoImport:true"]),
            ("file", None, "AMBER", []),
            ("other", "7", "AMBER", []),
        ]
        assert found[1]["name"] == "_evil_name.txt"
        assert bench.blobs.path(found[1]["sha256"]).read_bytes() == b"dropped"
        assert await bench.announced() == ["started", "ended"]
        assert await bench.owner.fetchval("SELECT count(*) FROM leases") == 0
        assert list(bench.jobs_folder.iterdir()) == []

    async def test_job_folder_is_as_the_contract_says(self, bench: Any) -> None:
        command = bench.program(
            "Look",
            WRITE
            + """
tree = {str(p.relative_to(job)): oct(p.stat().st_mode & 0o777) for p in sorted([job, *job.rglob("*")])}
attached = (job / "input" / given["file"]).read_text()
ca = os.environ["REQUESTS_CA_BUNDLE"]
report(full={"tree": tree, "given": given, "attached": attached, "stdin": sys.stdin.read(), "ca": ca})
""",
        )
        worker = await bench.worker(
            command, config={"cacerts": "-----BEGIN", "proxy_http": "http://proxy:3128", "proxy_https": None}
        )
        job = await bench.submit(worker, file=(b"hello", "../../etc/passwd"), parameters={"user": "a"})
        bench.start_runner()
        await bench.ended(job)
        full = (await bench.report(job))["full"]
        given = full["given"]
        attachment = given.pop("file")
        assert attachment.startswith("attachment") and "/" not in attachment
        assert full["tree"] == {
            ".": "0o700", "input": "0o700", "output": "0o700",
            "input/input.json": "0o600", "input/cacerts": "0o600", f"input/{attachment}": "0o600",
        }  # fmt: skip
        assert full["attached"] == "hello" and full["stdin"] == ""
        assert full["ca"].endswith("/input/cacerts")
        # the way out through the runner's proxy; its address holds the job's pass, which is a secret
        assert given["config"].pop("proxy") == {"http": "REMOVED", "https": "REMOVED"}
        assert given == {
            "dataType": "file", "filename": "../../etc/passwd", "contentType": "text/plain", "tlp": 2, "pap": 2, "message": "42",
            "parameters": {"user": "a"},
            "config": {
                "cacerts": "-----BEGIN", "proxy_http": "http://proxy:3128", "proxy_https": None, "auto_extract_artifacts": False,
            },
        }  # fmt: skip

    async def test_responder_gets_its_data_parsed(self, bench: Any) -> None:
        worker = await bench.worker(bench.program("R", SAY_DATA), kind="responder")
        job = await bench.submit(worker, kind="responder", data='{"title": "x", "tlp": 1}', data_type="thehive:case")
        bench.start_runner()
        await bench.ended(job)
        assert (await bench.report(job))["full"] == {"seen": {"title": "x", "tlp": 1}}

    async def test_long_report_goes_to_the_blob_store(self, bench: Any) -> None:
        worker = await bench.worker(bench.program("Long", WRITE + 'report(full={"x": "y" * 300_000})'))
        job = await bench.submit(worker)
        bench.start_runner()
        assert (await bench.ended(job))["status"] == "Success"
        report = await bench.report(job)
        assert report["full"] is None
        stored = bench.blobs.path(report["full_sha256"].hex()).read_bytes()
        assert orjson.loads(stored) == {"x": "y" * 300_000}

    async def test_odd_values_are_stored_in_a_form_postgresql_takes(self, bench: Any) -> None:
        command = bench.program(
            "Odd",
            WRITE
            + r"""
text = '''{"success": true, "full": {"nul": "a\\u0000b", "lone": "\\ud800",
 "nan": NaN, "big": 99999999999999999999, "inf": -1e999}}'''
(job / "output" / "output.json").write_text(text)
""",
        )
        job = await bench.submit(await bench.worker(command))
        bench.start_runner()
        row = await bench.ended(job)
        assert row["status"] == "Success", row["error_message"]
        expected = {"nul": "a\ufffdb", "lone": "?", "nan": None, "big": "99999999999999999999", "inf": None}
        assert (await bench.report(job))["full"] == expected

    @pytest.mark.parametrize(
        "first_line, mode", [("#!/usr/bin/env python3", 0o644), ("#!/usr/bin/env python3\r", 0o755), ("", 0o755)]
    )
    async def test_script_without_exec_bit_or_with_broken_first_line_runs_by_the_interpreter(
        self, bench: Any, first_line: str, mode: int
    ) -> None:
        worker = await bench.worker(bench.program("Plain", SAY_DATA, first_line=first_line, mode=mode))
        job = await bench.submit(worker)
        bench.start_runner()
        row = await bench.ended(job)
        assert row["status"] == "Success", row["error_message"]


BAD: list[tuple[str, list[str]]] = [
    ("import sys; print('going down'); sys.exit(3)", ["ended with status 3 and wrote no output.json", "going down"]),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ["was killed by SIGSEGV", "no output.json"]),
    ("", ["ended with status 0 and wrote no output.json"]),
    ("import not_installed_at_all", ["module not_installed_at_all is missing", "requirements of Bad3"]),
    (WRITE + '(job / "output/output.json").write_text("{rubbish")', ["Invalid output: output.json is not JSON"]),
    (WRITE + '(job / "output/output.json").write_text("[1]")', ["Invalid output: output.json holds no JSON object"]),
    (WRITE + '(job / "output/output.json").write_text("")', ["wrote no output.json"]),
    (WRITE + '(job / "output/output.json").write_text("[" * 200000)', ["output.json is nested too deeply"]),
    (WRITE + '(job / "output/output.json").write_bytes(b"\\xff\\xfe{")', ["Invalid output: output.json is not JSON"]),
    (WRITE + "report(full=[1])", ["Invalid output: the field full is missing or not an object"]),
    (WRITE + 'os.mkfifo(job / "output/output.json")', ["Invalid output: output.json is not a regular file"]),
    (WRITE + 'os.symlink("/etc/passwd", job / "output/output.json")', ["Invalid output: output.json cannot be read"]),
    (WRITE + 'report(full={"x": "y" * 2_000_000})', ["the limit is 1048576 (CORTEX_MAX_REPORT_MIB)"]),
    (WRITE + 'report(success=False, errorMessage={"code": 7})', ['{"code": 7}']),
    (WRITE + "report(success=False)", ["reported a failure without a message"]),
    ("x = bytearray(3_000_000_000)", ["wrote no output.json", "CORTEX_JOB_MEMORY_MIB"]),
]  # fmt: skip


class TestBadAnalyzer:
    async def test_each_ends_as_failure_that_says_what_to_do(self, bench: Any) -> None:
        jobs = []
        for number, (source, texts) in enumerate(BAD):
            name = f"Bad{number}"
            jobs.append((await bench.submit(await bench.worker(bench.program(name, source), name=name)), texts))
        bench.start_runner(CORTEX_MAX_REPORT_MIB="1", CORTEX_JOB_MEMORY_MIB="512")
        for job, texts in jobs:
            row = await bench.ended(job)
            assert row["status"] == "Failure"
            for text in texts:
                assert text in row["error_message"]
            assert row["reusable"] is False
            assert row["input"]["data"] == "203.0.113.5"

    async def test_one_that_hangs_is_stopped_with_everything_it_started(self, bench: Any) -> None:
        command = bench.program(
            "Hang",
            WRITE
            + """
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", f"sleep 600; : {job}"])
subprocess.Popen(["sh", "-c", f"sleep 601; : {job}"], start_new_session=True)
print("its words", flush=True)
time.sleep(600)
""",
        )
        job = await bench.submit(await bench.worker(command))
        bench.start_runner(CORTEX_JOB_TIMEOUT_SECONDS="1")
        row = await bench.ended(job)
        assert row["status"] == "Failure"
        assert "did not end within 1 s and was stopped" in row["error_message"] and "jobTimeout" in row["error_message"]
        assert "its words" in row["error_message"]
        assert pids(bench) == []

    async def test_what_it_leaves_running_does_not_hold_up_its_report(self, bench: Any) -> None:
        command = bench.program(
            "Leave", WRITE + 'import subprocess\nsubprocess.Popen(["sh", "-c", f"sleep 600; : {job}"])\nreport()'
        )
        job = await bench.submit(await bench.worker(command))
        bench.start_runner()
        row = await bench.ended(job, seconds=20)
        assert row["status"] == "Success"
        assert pids(bench) == []

    async def test_endless_output_is_cut_to_its_last_words(self, bench: Any) -> None:
        source = 'import sys\nfor i in range(40000): print("x" * 1000)\nprint("the last line")\nsys.exit(1)'
        job = await bench.submit(await bench.worker(bench.program("Chatty", source)))
        bench.start_runner()
        row = await bench.ended(job)
        assert row["error_message"].endswith("the last line") and len(row["error_message"]) < 40_000

    async def test_missing_command_interpreter_and_worker_are_named(self, bench: Any) -> None:
        gone = bench.folder / "analyzers" / "Gone" / "gone.py"
        foreign = bench.program("Foreign", "", first_line="#!/opt/no/such/interpreter")
        no_program = bench.program("Data", "x", first_line="")
        no_program = no_program.rename(no_program.with_suffix(".bin"))
        cases = [
            (await bench.worker(gone, name="Gone_1"), "is not there: " + str(gone)),
            (
                await bench.worker(foreign, name="Foreign_1"),
                "asks for an interpreter that is not there: /opt/no/such/interpreter",
            ),
            (await bench.worker(no_program, name="Data_1"), "is no program"),
            (await bench.worker(None, name="Image_1"), "Worker cannot be run"),
        ]
        jobs = [(await bench.submit(worker), text) for worker, text in cases]
        disabled = await bench.worker(gone, name="Disabled_1")
        jobs.append((await bench.submit(disabled), "was disabled"))
        await bench.owner.execute("DELETE FROM workers WHERE id = $1", disabled)
        bench.start_runner()
        for job, text in jobs:
            row = await bench.ended(job)
            assert row["status"] == "Failure" and text in row["error_message"]

    async def test_missing_interpreter_of_the_analyzers_is_named(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("NoExec", SAY_DATA, mode=0o644)))
        bench.start_runner(CORTEX_ANALYZERS_PYTHON="/opt/gone/bin/python")
        row = await bench.ended(job)
        assert "/opt/gone/bin/python cannot be started" in row["error_message"]
        assert "CORTEX_ANALYZERS_PYTHON" in row["error_message"]

    async def test_runner_goes_on_after_all_of_them(self, bench: Any) -> None:
        bad = await bench.worker(bench.program("Bad", "raise SystemExit(2)"), name="Bad_1")
        good = await bench.worker(bench.program("Good", SAY_DATA), name="Good_1")
        jobs = [await bench.submit(bad if i % 2 else good, data=str(i)) for i in range(10)]
        bench.start_runner()
        ends = [(await bench.ended(job))["status"] for job in jobs]
        assert ends == ["Success", "Failure"] * 5

    async def test_secrets_are_in_no_stored_text(self, bench: Any) -> None:
        command = bench.program(
            "Leak",
            WRITE
            + 'print(given["config"]["key"], given["config"]["service"]["url"])\nraise SystemExit(given["config"]["password"])',
        )
        config = {
            "key": "sk-0123456789",
            "password": "correct horse",
            "service": {"url": "https://me:hunter22@host/"},
            "list": ["plain"],
        }
        job = await bench.submit(await bench.worker(command, config=config))
        reporter = bench.program("LeakReport", WRITE + 'report(full={"url": "https://x/?k=" + given["config"]["key"]})')
        second = await bench.submit(await bench.worker(reporter, name="LeakReport_1", config=config))
        bench.start_runner()
        row = await bench.ended(job)
        await bench.ended(second)
        assert row["input"]["config"]["key"] == "REMOVED" and row["input"]["config"]["list"] == ["plain"]
        assert (await bench.report(second))["full"] == {"url": "https://x/?k=REMOVED"}
        stored = orjson.dumps([dict(row)["input"], row["error_message"], bench.log])
        for secret in (b"sk-0123456789", b"correct horse", b"hunter22", b"the-house-key", bench.secret_key.encode()):
            assert secret not in stored

    async def test_configuration_sealed_with_another_key_is_said(self, bench: Any) -> None:
        worker = await bench.worker(bench.program("Good", SAY_DATA))
        job = await bench.submit(worker)
        bench.start_runner(CORTEX_SECRET_KEYS="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        assert "CORTEX_SECRET_KEYS" in (await bench.ended(job))["error_message"]


SLEEP = WRITE + 'import subprocess\nsubprocess.run(["sh", "-c", f"sleep {given[\'data\']}; : {job}"])\nreport()'
"""Waits in a process whose command line names the job folder."""


def pids(bench: Any) -> list[int]:
    """What runs of jobs, by the pids outside of their namespaces."""
    mark, found = f"{bench.jobs_folder}/cortex-job-".encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes() and alive(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


async def gone(bench: Any, *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while pids(bench) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert pids(bench) == []


class TestLeases:
    async def started(self, bench: Any) -> None:
        deadline = time.monotonic() + 20
        while not pids(bench) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert pids(bench), bench.log

    async def test_killed_runners_job_goes_back_once_its_lease_is_over_and_its_analyzer_is_dead(self, bench: Any) -> None:
        """threats R03: back to the queue once, attempts + 1."""
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="3")
        first = bench.start_runner()
        await self.started(bench)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        await gone(bench, seconds=1)
        second = bench.start_runner()
        row = await bench.ended(job)
        assert (row["status"], row["attempt"], row["losses"]) == ("Success", 2, 1)
        events = await bench.owner.fetch("SELECT what FROM job_events ORDER BY id")
        assert [e["what"] for e in events] == ["started", "lost", "started"]
        assert list(bench.jobs_folder.iterdir()) == [], "the dead runner's job folder holds secrets"
        assert second.poll() is None

    async def test_programs_started_by_a_killed_runners_analyzer_are_killed_too(self, bench: Any) -> None:
        source = """
import subprocess, time
subprocess.Popen(["sh", "-c", f"sleep 600; : {job}"], start_new_session=True)
time.sleep(600)
"""
        await bench.submit(await bench.worker(bench.program("Nest", WRITE + source)))
        first = bench.start_runner()
        await self.started(bench)
        first.kill()
        first.wait()
        await gone(bench, seconds=1)

    async def test_third_loss_ends_as_failure_with_the_reason(self, bench: Any) -> None:
        """threats R03: the third loss is the end, and says so."""
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="600", announced=True)
        for _ in range(3):
            runner = bench.start_runner(CORTEX_LEASE_SECONDS="0.5")
            await self.started(bench)
            runner.kill()
            runner.wait()
            await gone(bench)
        bench.start_runner(CORTEX_LEASE_SECONDS="0.5")
        row = await bench.ended(job)
        assert (row["status"], row["losses"]) == ("Failure", 3)
        assert "lost 3 times" in row["error_message"]
        assert await bench.announced() == ["started", "started", "started", "ended"]

    async def test_stopped_runner_hands_its_job_back_at_once_and_that_is_no_loss(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="600")
        first = bench.start_runner(CORTEX_STOP_GRACE_SECONDS="0.2")
        await self.started(bench)
        first.terminate()
        assert first.wait(15) == 0
        assert pids(bench) == []
        row = await bench.until(job, "status = 'Waiting'", seconds=1)
        assert (row["attempt"], row["losses"]) == (1, 0)
        assert await bench.owner.fetchval("SELECT count(*) FROM dispatch") == 1

    async def test_stopped_runner_lets_a_short_job_end(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="1")
        first = bench.start_runner()
        await self.started(bench)
        first.terminate()
        assert first.wait(15) == 0
        assert (await bench.ended(job, seconds=1))["status"] == "Success"

    async def test_deleted_job_is_killed_and_stays_deleted(self, bench: Any) -> None:
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="600")
        bench.start_runner(CORTEX_LEASE_SECONDS="30")
        await self.started(bench)
        await bench.owner.execute("UPDATE jobs SET status = 'Deleted' WHERE id = $1::text::uuid", job)
        await bench.owner.execute("SELECT pg_notify('job_deleted', '')")
        await gone(bench)
        await bench.until(job, "NOT EXISTS (SELECT FROM leases)")
        assert (await bench.until(job, "true"))["status"] == "Deleted"

    async def test_result_of_a_runner_whose_lease_is_gone_changes_nothing(self, bench: Any) -> None:
        """threats R04: a job that two runners answer has one report."""
        job = await bench.submit(await bench.worker(bench.program("Sleep", SLEEP)), data="1")
        bench.start_runner(CORTEX_LEASE_SECONDS="60")
        await self.started(bench)
        await bench.owner.execute("UPDATE jobs SET attempt = 2 WHERE id = $1::text::uuid", job)
        await asyncio.sleep(2)
        row = await bench.until(job, "true")
        assert (row["status"], row["attempt"]) == ("InProgress", 2)
        assert await bench.owner.fetchval("SELECT count(*) FROM reports") == 0

    async def test_jobs_of_a_small_organisation_do_not_wait_behind_a_big_ones(self, bench: Any) -> None:
        program = bench.program("Sleep", SLEEP)
        big, small = await bench.worker(program, org="big"), await bench.worker(program, org="small")
        many = [await bench.submit(big, org="big", data="0.3") for _ in range(8)]
        one = await bench.submit(small, org="small", data="0")
        bench.start_runner()
        await bench.ended(one)
        waiting = await bench.owner.fetchval("SELECT count(*) FROM jobs WHERE org_id = 'big' AND status = 'Waiting'")
        assert waiting >= 4
        for job in many:
            assert (await bench.ended(job))["attempt"] == 1

    async def test_two_runners_share_the_queue_and_no_job_runs_twice(self, bench: Any) -> None:
        worker = await bench.worker(bench.program("Sleep", SLEEP))
        jobs = [await bench.submit(worker, data="0") for _ in range(24)]
        bench.start_runner()
        bench.start_runner()
        for job in jobs:
            row = await bench.ended(job)
            assert (row["status"], row["attempt"]) == ("Success", 1)
        assert await bench.owner.fetchval("SELECT count(*) FROM job_events WHERE what = 'started'") == 24
