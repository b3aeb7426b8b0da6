"""Our own cortex as "another Cortex": a real server that hive reaches over its public REST API alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from started import Started, started

from hive.analysis.polling import poll_once, refresh_catalogues


@pytest.fixture(scope="module")
def cortex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    with started(tmp_path_factory.mktemp("another") / "home", "cortex") as running:
        yield running


async def known(world: Any, cortex: Started, key: str | None = None) -> None:
    """The cortex as server `another`, its workers listed."""
    sealed = world.hive.secrets.seal((key or cortex.credentials["cortex"]["api_key"]).encode(), context="cortex_servers:another")
    await world.owner.execute(
        "INSERT INTO cortex_servers (name, kind, url, sealed_key, created_at, created_by)"
        " VALUES ('another', 'rest', $1, $2, 1, 'test')", cortex.url("cortex"), sealed,
    )  # fmt: skip
    await refresh_catalogues(world.hive)


async def ended(world: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended; the poller's waiting is shortened."""
    async with asyncio.timeout(90):
        while True:
            await world.owner.execute("UPDATE jobs SET next_poll_at = now() WHERE next_poll_at IS NOT NULL")
            await poll_once(world.hive)
            shown: dict[str, Any] = (await world.soc.get(f"/api/connector/cortex/job/{job['_id']}")).json()
            if shown["status"] in ("Success", "Failure"):
                return shown
            await asyncio.sleep(0.5)


async def analyzed(world: Any, observable: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/connector/cortex/analyzer/type/{observable['dataType']}"
    workers = (await world.soc.get(path)).json()
    chosen = next(w for w in workers if w["name"].startswith(("UrlParts", "FileInformation")))
    body = {"analyzerId": chosen["id"], "cortexId": "another", "artifactId": observable["_id"]}
    return await ended(world, (await world.soc.post("/api/connector/cortex/job", json=body)).json())


@pytest.mark.timeout(240)
async def test_values_and_files_are_analyzed_there(world: Any, cortex: Started) -> None:
    await known(world, cortex)
    case = await world.case()
    url = await world.observable(case["_id"], dataType="url", data="http://www.evil.example/login.php")
    job = await analyzed(world, url)
    assert (job["status"], job["cortexId"], bool(job["report"]["full"])) == ("Success", "another", True), job
    assert job["cortexJobId"]
    shown = (await world.soc.get(f"/api/v1/observable/{url['_id']}")).json()["reports"]
    assert shown[job["analyzerName"]]["taxonomies"]
    made = await world.soc.post(
        f"/api/v1/case/{case['_id']}/observable", data={"_json": json.dumps({"dataType": "file"})},
        files={"attachment": ("a.txt", b"hello world")},
    )  # fmt: skip
    job = await analyzed(world, made.json()[0])
    assert job["status"] == "Success", job
    assert "a.txt" in json.dumps(job["report"]["full"])


async def test_a_key_that_is_not_taken_any_more(world: Any, cortex: Started) -> None:
    await known(world, cortex)
    observable = await world.observable((await world.case())["_id"], dataType="url", data="http://evil.example/")
    sealed = world.hive.secrets.seal(b"revoked", context="cortex_servers:another")
    await world.owner.execute("UPDATE cortex_servers SET sealed_key = $1 WHERE name = 'another'", sealed)
    job = await analyzed(world, observable)
    assert (job["status"], job["errorMessage"].startswith("Cortex answered 401")) == ("Failure", True), job
