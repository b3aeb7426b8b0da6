"""A cortex as an operator has it, with analyzers and responders written from the public conventions, for its outside clients."""

from __future__ import annotations

import json
import socket
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from outside import program
from started import Started, started

PASSWORD = "secret-of-the-tests"
USER = "hive"
"""The launcher's first user: read, analyze, orgadmin in `main-org`."""

LOOK = """
from cortexutils.analyzer import Analyzer

class Look(Analyzer):
    def run(self):
        if self.data_type == "file":
            path = self.get_param("file")
            self.report({"name": self.get_data(), "size": len(open(path, "rb").read()), "copy": path})
        else:
            self.report({"value": self.get_data(), "parameters": self.get_param("parameters"), "tlp": self.tlp})

    def summary(self, raw):
        return {"taxonomies": [self.build_taxonomy("malicious", "Look", "Seen", raw.get("value", raw.get("name")))]}

    def artifacts(self, raw):
        if "copy" in raw:
            return [self.build_artifact("file", raw["copy"], tags=["autoImport:true"])]
        return [self.build_artifact("domain", "found.example.org", tags=["t"], message="seen")]

    def operations(self, raw):
        return [self.build_operation("AddTagToCase", tag="look")]

Look().run()
"""
SLEEP = """
import time
from cortexutils.analyzer import Analyzer

class Sleep(Analyzer):
    def run(self):
        time.sleep(float(self.get_data()))
        self.report({"slept": self.get_data()})

Sleep().run()
"""
REFUSE = """
from cortexutils.analyzer import Analyzer

Analyzer().error("nothing to be found")
"""
REPLY = """
from cortexutils.responder import Responder

class Reply(Responder):
    def run(self):
        self.report({"title": self.get_param("data.title"), "said": self.get_param("parameters", {})})

    def operations(self, raw):
        return [self.build_operation("AddTagToCase", tag="replied"), self.build_operation("CloseTask")]

Reply().run()
"""
ITEM = {"name": "key", "description": "A key", "type": "string", "multi": False, "required": True}


def write(root: Path, name: str, source: str, **fields: Any) -> None:
    """One worker in the public packaging format."""
    folder = root / name
    folder.mkdir(parents=True)
    command = folder / f"{name.lower()}.py"
    command.write_text(f"#!/usr/bin/env python3\n{textwrap.dedent(source)}")
    command.chmod(0o755)
    flavor = {
        "name": name, "version": "1.0", "author": "Tests", "url": "https://example.org", "license": "AGPL-V3",
        "description": f"{name} for tests", "dataTypeList": ["ip", "domain", "hash", "file", "other"], "baseConfig": name,
        "command": f"{name}/{command.name}", **fields,
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(flavor))


OWN_MODULES = {
    "known_values": """
import json
mispattributes = {"input": ["ip-dst", "md5", "attachment"], "output": ["domain", "freetext"]}
moduleinfo = {"version": "1.2", "author": "Tests", "description": "Finds what it knows", "module-type": ["expansion", "hover"]}
def handler(q=False):
    asked = json.loads(q)
    if "attachment" in asked:
        return {"results": [{"types": ["attachment"], "values": ["copy.bin"], "data": asked["data"]}]}
    if asked.get("ip-dst") == "203.0.113.200":
        return {"error": "the quota is used up"}
    found = [{"types": ["domain", "hostname"], "values": ["known.example.org"], "tags": ["t"]}]
    found[0]["comment"] = "by " + asked["config"]["api_key"]
    return {"results": found + [{"types": "freetext", "values": "see http://known.example.net/x and 198.51.100.7"}]}
def introspection():
    return mispattributes
def version():
    return {**moduleinfo, "config": ["api_key"]}
""",
    "known_objects": """
import json
mispattributes = {"input": ["domain", "hostname"], "format": "misp_standard"}
moduleinfo = {"version": "2", "author": "Tests", "description": "Finds objects", "module-type": ["expansion"]}
def handler(q=False):
    asked = json.loads(q)["attribute"]
    members = [{"type": "ip-dst", "object_relation": "ip", "value": "198.51.100.9"}]
    members.append({"type": asked["type"], "value": asked["value"]})
    single = {"type": "sha256", "value": "ab" * 32, "Tag": [{"name": "tlp:green"}], "uuid": asked["uuid"]}
    return {"results": {"Attribute": [single], "Object": [{"name": "passive-dns", "Attribute": members}]}}
def introspection():
    return mispattributes
def version():
    return moduleinfo
""",
}


@contextmanager
def misp_modules(folder: Path) -> Iterator[str]:
    """The real server with two modules of ours beside its own; its URL."""
    own = folder / "modules"
    (own / "expansion").mkdir(parents=True)
    for name, source in OWN_MODULES.items():
        (own / "expansion" / f"{name}.py").write_text(source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program("misp-modules", "misp-modules"), "-l", "127.0.0.1", "-p", str(port), "-c", str(own)]
    with (folder / "modules.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"{url}/healthcheck").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < deadline and server.poll() is None, (folder / "modules.log").read_text()[-3000:]
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(30)


@dataclass
class Lab:
    """A running cortex, the key of an analyst who administers `main-org`, and the superadmin's.

    All workers are enabled but `Guarded_1_0` and `Answer_1_0`, which need a configuration.
    """

    platform: Started
    key: str
    root_key: str

    @property
    def url(self) -> str:
        return self.platform.url("cortex")

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def worker(self, name: str, kind: str = "analyzer") -> str:
        with self.client() as client:
            (found,) = client.post(f"/api/{kind}/_search", json={"query": {"name": name}}).json()
            return str(found["id"])


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Shared by the tests of one worker process: mark them `xdist_group("cortex-clients")`."""
    folder = tmp_path_factory.mktemp("cortex")
    analyzers, responders = folder / "analyzers", folder / "responders"
    for name, source in (("Look", LOOK), ("Sleep", SLEEP), ("Refuse", REFUSE)):
        write(analyzers, name, source)
    write(analyzers, "Strict", LOOK, config={"check_tlp": True, "max_tlp": 2, "check_pap": True, "max_pap": 2})
    write(analyzers, "Guarded", LOOK, configurationItems=[ITEM])
    write(responders, "Reply", REPLY, dataTypeList=["thehive:case", "thehive:alert"])
    write(responders, "Answer", REPLY, dataTypeList=["thehive:case"], configurationItems=[ITEM])
    with (
        misp_modules(folder) as modules,
        started(
            folder / "home",
            "cortex",
            CORTEX_ADMIN_PASSWORD=PASSWORD,
            CORTEX_MISP_WAIT_SECONDS="2",
            CORTEX_ANALYZER_PATHS=str(analyzers),
            CORTEX_RESPONDER_PATHS=str(responders),
            CORTEX_MISP_MODULES_URL=modules,
        ) as platform,
    ):
        own = platform.credentials["cortex"]
        made = httpx.post(f"{platform.url('cortex')}/api/user/{own['login']}/key/renew", auth=(own["login"], PASSWORD))
        assert made.status_code == 200, made.text
        yield Lab(platform, own["api_key"], made.text)
