"""The real cortex4py 2.1.0, unmodified, in its own environment (it is AGPL), against the service as it is started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venvs" / "client-cortex4py" / "bin" / "python"

SCRIPT = r"""
import json, sys, tempfile
from cortex4py.api import Api
from cortex4py import exceptions, query

url, keys = sys.argv[1], json.loads(sys.argv[2])
admin, root, reader = (Api(url, keys[name]) for name in ("admin@lab", "root", "reader@lab"))

def refused(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind:
        return
    raise SystemExit(f"{call} was not refused with {kind}")

assert admin.status().json()["versions"]["Cortex"].startswith("4.")
refused(exceptions.AuthenticationError, Api(url, "wrong").analyzers.find_all, {})
refused(exceptions.AuthorizationError, root.analyzers.find_all, {})

# organisations and users
made = root.organizations.create({"name": "second", "description": "d", "status": "Active"})
assert made.id == "second" and root.organizations.get_by_id("second").description == "d"
assert root.organizations.update("second", {"description": "e"}).description == "e"
assert root.organizations.count({}) == 3 and root.organizations.count(query.Eq("name", "second")) == 1
assert [o.id for o in root.organizations.find_all({}, range="all", sort=["+name"])] == ["cortex", "lab", "second"]
assert root.organizations.find_one_by(query.Eq("name", "second")).id == "second"
user = root.users.create({"login": "u@second", "name": "U", "roles": ["read", "analyze"], "organization": "second"})
assert user.id == "u@second" and user.hasKey is False
key = root.users.set_key("u@second")
assert len(key) >= 32 and root.users.get_key("u@second") == key
assert Api(url, key).analyzers.find_all({}) == []
root.users.set_password("u@second", "first password")
Api(url, key).users.change_password("u@second", "first password", "second password")
refused(exceptions.AuthorizationError, Api(url, key).users.change_password, "u@second", "first password", "third password")
assert root.users.update("u@second", {"name": "V", "roles": ["read"]}).name == "V"
assert [u.id for u in root.organizations.get_users("second", {})] == ["u@second"]
assert root.users.find_one_by(query.Eq("status", "Ok"), sort="-name") is not None
root.users.revoke_key("u@second")
refused(exceptions.InvalidInputError, root.users.get_key, "u@second")
assert root.users.lock("u@second").status == "Locked"
assert root.organizations.delete("second") is True
refused(exceptions.NotFoundError, root.users.get_by_id, "nobody")

# analyzers
definitions = admin.analyzers.definitions()
assert [d.id for d in definitions] == ["Echo_1_0"]
echo = admin.analyzers.enable("Echo_1_0", {"configuration": {"check_tlp": True, "max_tlp": 2}, "jobCache": 5})
assert echo.name == "Echo_1_0" and echo.dataTypeList == ["ip", "hash", "file"]
refused(exceptions.InvalidInputError, admin.analyzers.enable, "Echo_1_0", {"configuration": {"unknown": 1}})
refused(exceptions.NotFoundError, admin.analyzers.enable, "Nothing", {"configuration": {}})
assert reader.analyzers.get_by_id(echo.id).id == reader.analyzers.get_by_name("Echo_1_0").id == echo.id
assert [a.id for a in reader.analyzers.get_by_type("ip")] == [echo.id] and reader.organizations.get_analyzers()[0].id == echo.id
both = query.And(query.Eq("dataTypeList", "file"), query.Not(query.Eq("name", "x")))
assert reader.analyzers.find_all(both, range="all")[0].id == echo.id
assert admin.analyzers.update(echo.id, {"rate": 100, "rateUnit": "Hour"}).rate == 100

# jobs
refused(exceptions.AuthorizationError, reader.analyzers.run_by_name, "Echo_1_0", {"data": "203.0.113.5", "dataType": "ip"})
observable = {"data": "203.0.113.5", "dataType": "ip", "tlp": 1, "message": "m", "parameters": {"k": "v"}}
job = admin.analyzers.run_by_name("Echo_1_0", observable, force=1)
done = admin.jobs.get_report_async(job.id)
assert done.status == "Success", done.json()
assert done.report["full"]["value"] == "203.0.113.5" and done.report["summary"]["taxonomies"][0]["level"] == "safe"
assert admin.jobs.get_report(job.id).report == done.report and admin.jobs.get_by_id(job.id).message == "m"
assert admin.jobs.get_artifacts(job.id)[0].data == "found.example.org"
with tempfile.NamedTemporaryFile(suffix=".txt") as file:
    file.write(b"text of a file"); file.flush()
    upload = admin.analyzers.run_by_id(echo.id, {"data": file.name, "dataType": "file", "tlp": 1}, force=1)
assert admin.jobs.get_report_async(upload.id, "30seconds").status == "Success"
assert upload.attachment["contentType"] == "text/plain" and upload.attachment["size"] == 14
red = admin.analyzers.run_by_id(echo.id, {"data": "203.0.113.6", "dataType": "ip", "tlp": 3})
assert red.status == "Failure" and admin.jobs.get_report(red.id).report["errorMessage"] == "TLP is higher than allowed."
assert len(reader.jobs.find_all(query.Eq("data", "203.0.113.5"), range="all", sort="-createdAt")) == 1
assert reader.jobs.find_one_by(query.Gt("createdAt", 0)).id in (job.id, upload.id, red.id)
assert len(reader.jobs.find_all(query.Between("tlp", 0, 2), range="0-1")) == 1
assert admin.jobs.delete(red.id) is True and len(admin.jobs.find_all({}, range="all")) == 2

# responders
reply = admin.responders.enable("Reply_1_0", {"configuration": {}})
assert admin.responders.get_by_type("thehive:case")[0].id == reply.id
action = admin.responders.run_by_name("Reply_1_0", {"data": {"title": "x"}, "dataType": "thehive:case"})
ended = admin.jobs.get_report_async(action.id, "30seconds")
assert ended.status == "Success" and ended.report["full"]["value"] == {"title": "x"}, ended.json()
assert admin.responders.disable(reply.id) and admin.analyzers.disable(echo.id)
refused(exceptions.NotFoundError, admin.analyzers.get_by_id, echo.id)
print("all calls answered")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest_asyncio.fixture
async def served(api: Any) -> AsyncIterator[str]:
    """`cortex serve` and `cortex run` as processes; the URL."""
    api.flavor("Reply", kind="responder", dataTypeList=["thehive:case"])
    port = free_port()
    settings = api.settings
    env = {
        "PATH": os.environ["PATH"],
        "CORTEX_DATABASE_APP_URL": api.database.app_url,
        "CORTEX_DATABASE_SYSTEM_URL": api.database.system_url,
        "CORTEX_BLOBS": settings.blobs,
        "CORTEX_SECRET_KEY": api.bench.secret_key,
        "CORTEX_ANALYZER_PATHS": ",".join(settings.analyzer_paths),
        "CORTEX_RESPONDER_PATHS": ",".join(settings.responder_paths),
    }
    program = str(Path(sys.executable).with_name("cortex"))
    log = (api.bench.folder / "serve.log").open("wb")
    server = subprocess.Popen([program, "serve", "--port", str(port)], env=env, stdout=log, stderr=log)
    api.bench.processes.append(server)
    api.bench.start_runner()
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/health")).status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < deadline and server.poll() is None, (api.bench.folder / "serve.log").read_text()
            time.sleep(0.1)
    yield url
    server.terminate()
    assert server.wait(15) in (0, -15)


@pytest.mark.usefixtures("libmagic")
async def test_every_call_of_the_client_is_answered(api: Any, served: str) -> None:
    if not PYTHON.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{PYTHON} is missing: run `make setup-dev`")
        pytest.skip("CORTEX4PY IS NOT THERE, ITS TEST DOES NOT RUN: `make setup-dev`")
    command = [str(PYTHON), "-W", "ignore", "-c", SCRIPT, served, json.dumps(api.keys)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "all calls answered"


async def test_no_secret_reaches_a_log_or_an_answer(api: Any, served: str) -> None:
    """threats S19, with canaries in every place a secret comes in."""
    canaries = {"key": "canary-key-0123456789", "password": "canary-password-123", "nested": "https://u:canary-user-1@h/"}
    items = [{"name": name, "type": "string"} for name in canaries]
    api.flavor("Leak", source="import sys\nprint(open(sys.argv[1] + '/input/input.json').read())", configurationItems=items)
    worker = await api.enable("Leak_1_0", configuration=canaries)
    seen = []
    headers = {"Authorization": f"Bearer {api.keys['admin@lab']}"}
    async with httpx.AsyncClient(base_url=served, headers=headers, timeout=40) as client:
        job = (await client.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()["id"]
        paths = (f"/api/job/{job}/waitreport", f"/api/analyzer/{worker}", "/api/analyzer", "/metrics", "/health")
        seen += [(await client.get(path)).text for path in paths]
        seen.append((await client.patch(f"/api/analyzer/{worker}", json={"configuration": 3, "key": canaries["key"]})).text)
        login = {"user": canaries["key"], "password": canaries["password"]}
        seen.append((await client.post("/api/login", json=login)).text)
    assert "wrote no output.json" in seen[0]
    seen += [(api.bench.folder / "serve.log").read_text(), api.bench.log]
    secrets = ["canary-key", "canary-password", "canary-user", api.bench.secret_key, *api.keys.values()]
    for text in seen:
        assert not [secret for secret in secrets if secret in text]


async def test_service_answers_what_install_scripts_wait_for(served: str) -> None:
    async with httpx.AsyncClient(base_url=served) as client:
        assert (await client.head("/index.html")).status_code == 200
        assert (await client.get("/api/status")).json()["config"]["capabilities"][0] == "changePassword"
        missing = await client.get("/api/nothing")
        assert missing.status_code == 404 and missing.json()["type"] in ("NotFound", "NotFoundError")
