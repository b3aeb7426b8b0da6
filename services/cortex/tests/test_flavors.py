"""Every shape of flavor file that the public catalogue of 431 holds (contracts/cortex.md §5), and programs in three languages.

The programs lie in `programs/`, written from the public conventions alone; they run unmodified under every runner that can.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from docker_daemon import Daemon

from cortex.definitions.service import rescan
from launcher import pages

PROGRAMS = Path(__file__).with_name("programs")
REPOSITORY = Path(__file__).parents[3]
ANALYZERS = str(REPOSITORY / ".venvs" / "analyzers" / "bin" / "python")
"""The environment that has cortexutils."""
REQUIRED = {"version": "1.0", "author": "A", "url": "https://example.org", "license": "AGPL-V3", "description": "d"}
SCRIPT = "#!/usr/bin/env python3\nfrom cortexutils.analyzer import Analyzer\nAnalyzer().report({'ran': True})\n"
ITEM = {"description": "", "type": "string", "multi": False, "required": False}


def put(api: Any, name: str, flavor: dict[str, Any], *, script: str = SCRIPT, mode: int = 0o755, kind: str = "analyzer") -> None:
    folder = api.bench.folder / f"{kind}s" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.py").write_text(script, newline="")
    (folder / "run.py").chmod(mode)
    (folder / f"{name}.json").write_text(json.dumps({"name": name, **REQUIRED, **flavor}))


async def shown(api: Any, kind: str = "analyzer") -> dict[str, dict[str, Any]]:
    await rescan(api.engine)
    return {d["name"]: d for d in (await api.admin.get(f"/api/{kind}definition")).json()}


async def problem(api: Any, name: str) -> str | None:
    text: str | None = await api.bench.owner.fetchval("SELECT readable_error FROM definitions WHERE name = $1", name)
    return text


class TestShapes:
    @pytest.mark.parametrize(
        "script, mode",
        [
            (SCRIPT, 0o755),
            (SCRIPT.replace("python3", "python"), 0o755),  # 6 of them
            (SCRIPT.replace("python3\n", "python3\r\n"), 0o755),  # Cloudflare
            (SCRIPT, 0o644),  # 23 of them
        ],
        ids=["usual", "env python", "CRLF in the first line", "not executable"],
    )
    async def test_entry_points_run(self, api: Any, script: str, mode: int) -> None:
        put(api, "Entry", {"command": "Entry/run.py", "dataTypeList": ["ip"]}, script=script, mode=mode)
        await shown(api)
        worker = await api.enable("Entry_1_0")
        api.bench.start_runner(CORTEX_ANALYZERS_PYTHON=ANALYZERS)
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})).json()
        ended = (await api.admin.get(f"/api/job/{job['id']}/waitreport?atMost=30s")).json()
        assert ended["status"] == "Success" and ended["report"]["full"] == {"ran": True}, ended

    async def test_commands_that_cannot_be_started_are_explained(self, api: Any) -> None:
        put(api, "Cluster25", {"command": "Cluster25/gone.py"})
        put(api, "ClusterHawk", {"command": "python3 ClusterHawk/run.py"})
        put(api, "Outside", {"command": "../../../../bin/sh"})
        put(api, "Nothing", {})
        put(api, "Both", {"command": "Both/gone.py", "dockerImage": "cortexneurons/both:1.0"})
        found = await shown(api)
        assert set(found) == {"Echo", "Both"} and found["Both"]["command"] is None
        assert "its command is not there" in (await problem(api, "Cluster25") or "")
        assert "is a command line and no path: python3 ClusterHawk/run.py" in (await problem(api, "ClusterHawk") or "")
        assert "lies outside of" in (await problem(api, "Outside") or "")
        assert "neither a command nor a docker image" in (await problem(api, "Nothing") or "")

    async def test_a_catalog_with_images_in_place_of_commands(self, api: Any) -> None:
        entry = {**REQUIRED, "dataTypeList": ["ip"]}
        folder = api.bench.folder / "catalogs" / "all"
        folder.mkdir(parents=True)
        entries = [
            {**entry, "name": "MaxMind_GeoIP", "version": "4.0", "dockerImage": "cortexneurons/maxmind_geoip:4.0"},
            {**entry, "name": "No_Version", "version": None},
            {**entry, "name": "Twice", "dockerImage": "cortexneurons/twice:1.0", "description": "first"},
            {**entry, "name": "Twice", "dockerImage": "cortexneurons/twice:1.0", "description": "last"},
            "no object",
        ]
        (folder / "catalog.json").write_text(json.dumps(entries))
        async with api.with_settings(analyzer_paths=[str(folder / "catalog.json")]) as other:
            found = await shown(other)
            assert set(found) == {"MaxMind_GeoIP", "Twice"} and found["Twice"]["description"] == "last"
            one = found["MaxMind_GeoIP"]
            assert (one["id"], one["dockerImage"], one["command"]) == (
                "MaxMind_GeoIP_4_0",
                "cortexneurons/maxmind_geoip:4.0",
                None,
            )
            answer = await other.admin.post("/api/organization/analyzer/MaxMind_GeoIP_4_0", json={"name": "MaxMind_GeoIP_4_0"})
            assert answer.status_code == 201 and answer.json()["dockerImage"] == "cortexneurons/maxmind_geoip:4.0"

    async def test_data_types_are_free_words_and_may_be_missing(self, api: Any) -> None:
        types = ["mail_subject", "mail-subject", "regexp", "autonomous-system", "thehive:case", "my own"]
        put(api, "Types", {"command": "Types/run.py", "dataTypeList": types})
        put(api, "Untyped", {"command": "Untyped/run.py"})
        put(
            api, "Reply", {"command": "Reply/run.py", "dataTypeList": ["thehive:case", "url", "domain", "fqdn"]}, kind="responder"
        )
        found = await shown(api)
        assert (found["Types"]["dataTypeList"], found["Untyped"]["dataTypeList"]) == (types, [])
        assert (await shown(api, "responder"))["Reply"]["dataTypeList"] == ["thehive:case", "url", "domain", "fqdn"]

    async def test_fixed_values_and_what_is_malformed(self, api: Any) -> None:
        fixed = {"service": "get", "check_tlp": True, "max_tlp": 2, "check_pap": True, "max_pap": 1, "auto_extract": False}
        put(api, "Fixed", {"command": "Fixed/run.py", "config": fixed, "baseConfig": "Shared"})
        put(api, "Odd", {"command": "Odd/run.py", "config": ["no", "object"], "configurationItems": {"no": "list"}})
        found = await shown(api)
        assert "config" not in found["Fixed"] and found["Fixed"]["baseConfig"] == "Shared" and found["Odd"]["baseConfig"] is None
        assert found["Odd"]["configurationItems"] == []
        worker = await api.enable("Fixed_1_0")
        assert [(await api.admin.get(f"/api/analyzer/{worker}")).json()[n] for n in ("maxTlp", "maxPap")] == [2, 1]
        names = {c["name"] for c in (await api.admin.get("/api/analyzerconfig")).json()}
        assert "Odd" not in names, "without items there is nothing to share"

    async def test_items_with_the_catalogue_s_small_mistakes(self, api: Any) -> None:
        items = [
            {"name": "without.multi", "description": "", "type": "string", "required": False},  # 18 of them
            {
                "name": "cache.duration",
                "type": "number",
                "defaultValue": "5",
                "multi": False,
                "required": True,
            },  # 6 texts for numbers
            {"name": "misspelt", "type": "text", "defaultVaule": "x", "multi": False},  # 9 of them
            {**ITEM, "name": "list", "multi": True, "defaultValue": ["a", "b"]},
            {**ITEM, "name": "switch", "type": "boolean", "defaultValue": True},
            {**ITEM, "name": "typeless", "type": "date"},
            "no object",
        ]
        put(api, "Items", {"command": "Items/run.py", "configurationItems": items})
        found = {item["name"]: item for item in (await shown(api))["Items"]["configurationItems"]}
        assert set(found) == {"without.multi", "cache.duration", "misspelt", "list", "switch"}
        assert found["without.multi"]["multi"] is False and "defaultValue" not in found["misspelt"]
        worker = await api.enable("Items_1_0")
        stored = (await api.admin.get(f"/api/analyzer/{worker}")).json()["configuration"]
        assert stored["cache.duration"] == 5 and stored["list"] == ["a", "b"] and stored["switch"] is True
        assert stored["misspelt"] is None and stored["without.multi"] is None

    async def test_what_the_catalogue_says_besides_is_ignored(self, api: Any) -> None:
        besides = {
            "registration_required": True, "subscription_required": False, "free_subscription": True, "requirements": "x",
            "service_homepage": "https://example.org", "service_logo": {"path": "a.png", "caption": "b"},
            "screenshots": [{"path": "c.png", "caption": "d"}], "integration_type": "saas",
        }  # fmt: skip
        put(api, "Besides", {"command": "Besides/run.py", **besides})
        assert set((await shown(api))["Besides"]) == {
            "id", "name", "version", "description", "dataTypeList", "author", "url", "license", "baseConfig",
            "configurationItems", "dockerImage", "command",
        }  # fmt: skip


LANGUAGES = {"PyLook": "pylook.py", "BashLook": "bashlook.sh", "NodeLook": "nodelook.js"}


def publish(api: Any, name: str) -> None:
    """A program of `programs/` as it is, with a flavor."""
    folder = api.bench.folder / "analyzers" / name
    shutil.copytree(PROGRAMS / name, folder)
    flavor = {
        "name": name, **REQUIRED, "dataTypeList": ["ip", "file"], "command": f"{name}/{LANGUAGES[name]}",
        "dockerImage": f"tests/{name.lower()}:1.0", "config": {"service": "look", "auto_extract": True},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(flavor))


async def looked(api: Any, worker: str, namespace: str) -> None:
    """A value and a file go through the worker."""
    value = await api.admin.post(f"/api/analyzer/{worker}/run", json={"dataType": "ip", "data": "203.0.113.5"})
    form = {"files": {"data": ("a name.txt", "naïve text".encode())}, "data": {"_json": '{"dataType": "file"}'}}
    file = await api.admin.post(f"/api/analyzer/{worker}/run", **form)
    for answer, seen in ((value, "203.0.113.5"), (file, "naïve text")):
        ended = (await api.admin.get(f"/api/job/{answer.json()['id']}/waitreport?atMost=40s")).json()
        assert ended["status"] == "Success", ended
        report = ended["report"]
        assert report["full"]["seen"] == seen
        assert report["summary"]["taxonomies"] == [
            {"level": "suspicious", "namespace": namespace, "predicate": "look", "value": len(seen)}
        ]
        assert report["verdict"]["level"] == "suspicious"
    found = (await api.admin.get(f"/api/job/{value.json()['id']}/report")).json()["report"]["artifacts"]
    assert [a["data"] for a in found if a["dataType"] == "url"] == ["https://related.example.org/a"]


class TestRunners:
    """One runner process offers all ways; a worker's own setting chooses among them."""

    async def test_programs_in_three_languages_run_under_each_runner_that_can(
        self, api: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = (pages.system_node() or pages.wheel_node(REPOSITORY / ".venvs" / "web")).folder
        monkeypatch.setenv("PATH", f"{node}:{os.environ['PATH']}")
        for name in LANGUAGES:
            publish(api, name)
            program = str(PROGRAMS / name / LANGUAGES[name])
            daemon.programs[f"tests/{name.lower()}:1.0"] = [ANALYZERS, program] if name == "PyLook" else [program]
        daemon.jobs = api.bench.jobs_folder
        await rescan(api.engine)
        api.bench.start_runner(
            CORTEX_RUNNERS="warm,process,docker", CORTEX_DOCKER_URL=daemon.url, CORTEX_ANALYZERS_PYTHON=ANALYZERS,
            CORTEX_SANDBOX_READ=str(node.resolve().parent),
        )  # fmt: skip
        for name in LANGUAGES:
            ways = ["warm", "process", "docker"] if name == "PyLook" else ["process", "docker"]
            for way in ways:
                body = {"name": f"{name}_{way}", "configuration": {}, "runner": way}
                answer = await api.admin.post(f"/api/organization/analyzer/{name}_1_0", json=body)
                assert answer.status_code == 201 and answer.json()["runner"] == way, answer.text
                await looked(api, answer.json()["id"], name.removesuffix("Look"))
            assert daemon.given["config"]["proxy"] == {}, "the runner's own loopback is no way out of a container"
        assert daemon.calls.count("POST /containers/create") == 6

    async def test_a_runner_that_cannot_is_refused_in_plain_words_and_the_setting_is_taken_back(self, api: Any) -> None:
        publish(api, "BashLook")
        worker = await api.enable("BashLook_1_0", runner="warm")
        api.bench.start_runner(CORTEX_RUNNERS="warm,process")
        for way in ("warm", "docker"):
            assert (await api.admin.patch(f"/api/analyzer/{worker}", json={"runner": way})).json()["runner"] == way
            asked = {"dataType": "ip", "data": "203.0.113.5", "force": True}
            job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=asked)).json()
            ended = (await api.admin.get(f"/api/job/{job['id']}/waitreport?atMost=30s")).json()
            assert ended["status"] == "Failure"
            assert (
                f"its runner is set to {way}, which cannot run it here; this engine's runners are warm, process"
                in ended["errorMessage"]
            )
        for nothing in (None, []):
            assert "runner" not in (await api.admin.patch(f"/api/analyzer/{worker}", json={"runner": nothing})).json()
        await looked(api, worker, "Bash")
        assert (await api.admin.patch(f"/api/analyzer/{worker}", json={"runner": "kubernetes"})).status_code == 400
        assert (await api.reader.patch(f"/api/analyzer/{worker}", json={"runner": "warm"})).status_code == 403
