"""The docker runner against a daemon that is not one, but looks at every field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docker_daemon import Daemon

from cortex.runner.docker import DockerRunner, Engine
from cortex.runner.egress import Network, Pass
from cortex.runner.job import Worker
from cortex.runner.protocol import CannotStart, Ended

IMAGE = "cortexneurons/maxmind_geoip:4.0"


async def run(daemon: Daemon, *, leave: Pass | None = None, seconds: float = 20, cacerts: bool = False, **engine: Any) -> Ended:
    folder = daemon.jobs / "cortex-job-1"
    for place in (folder, folder / "input", folder / "output"):
        place.mkdir(parents=True, mode=0o700)
    (folder / "input" / "input.json").write_text("{}")
    if cacerts:
        (folder / "input" / "cacerts").write_text("PEM")
    values: dict[str, Any] = {
        "url": daemon.url, "job_directory": daemon.jobs, "host_directory": Path("/srv/jobs"), "prefix": "", "update": True,
        "network": "bridge", "memory": 2**30, "processes": 64, **engine,
    }  # fmt: skip
    runner = DockerRunner(Engine(**values))
    worker = Worker("analyzer", "Far_1_0", None, None, {}, b"", None, docker_image=IMAGE)
    assert runner.fits(worker)
    try:
        return await runner.run(worker, folder, leave or Pass(Network(), {}), time_limit=seconds)
    finally:
        await runner.close()


async def test_container_is_made_as_the_contract_says(daemon: Daemon) -> None:
    ended = await run(daemon, prefix="registry.example.org/", cacerts=True)
    assert (ended.status, ended.tail, ended.stopped) == (0, "its words", None)
    assert daemon.created == {
        "Image": f"registry.example.org/{IMAGE}",
        "Env": ["JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF8", "REQUESTS_CA_BUNDLE=/job/input/cacerts"],
        "Labels": {"cortex-job": "cortex-job-1"},
        "HostConfig": {
            "Binds": ["/srv/jobs/cortex-job-1:/job:rw"], "NetworkMode": "bridge", "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"], "Privileged": False, "Memory": 2**30, "PidsLimit": 64,
        },
    }  # fmt: skip
    assert daemon.calls[-1] == "DELETE /containers/c1", "it is removed"
    folder = daemon.jobs / "cortex-job-1"
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in (".", "input", "input/input.json", "output")}
    assert modes == {".": 0o755, "input": 0o755, "input/input.json": 0o644, "output": 0o777}


async def test_image_is_pulled_only_when_missing_without_auto_update(daemon: Daemon) -> None:
    daemon.images.add(IMAGE)
    await run(daemon, update=False)
    assert not [call for call in daemon.calls if "images/create" in call]


async def test_image_that_is_there_runs_although_it_cannot_be_pulled(daemon: Daemon) -> None:
    daemon.images.add(IMAGE)
    daemon.pullable = False
    assert (await run(daemon)).status == 0


async def test_image_that_is_nowhere_is_named(daemon: Daemon) -> None:
    daemon.pullable = False
    with pytest.raises(CannotStart, match=f"Docker cannot run {IMAGE}: No such image"):
        await run(daemon)


async def test_container_is_killed_and_removed_at_the_time_limit(daemon: Daemon) -> None:
    daemon.seconds = 30
    ended = await run(daemon, seconds=0.3)
    assert ended.stopped == "time" and ended.tail == "its words"
    assert daemon.calls[-1] == "DELETE /containers/c1" and "POST /containers/c1/kill" in daemon.calls


async def test_declared_none_has_no_network(daemon: Daemon) -> None:
    await run(daemon, leave=Pass(Network(hosts=()), {}))
    assert daemon.created["HostConfig"]["NetworkMode"] == "none"


async def test_daemon_that_does_not_answer_is_said(daemon: Daemon) -> None:
    with pytest.raises(CannotStart, match="Docker"):
        await run(daemon, url="http://127.0.0.1:9")
