"""Jobs on remote Cortexes: submitted and followed by one loop, each claimed so that several processes share the work.

A claim moves the job's `next_poll_at` into the future before any call is made: a process that dies in between only delays the
job. A remote job is submitted at least once; the second submission of a lost answer costs a run, never a second result here,
because an ended job does not change.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import structlog
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from hive.analysis.models import CortexServer, Job, Worker
from hive.analysis.remote import RemoteCortex, RemoteFailed, Submission
from hive.analysis.reports import kept, storable
from hive.analysis.service import ENDED, FoundArtifact, Outcome, complete, find_job, replace_catalogue, started
from hive.identity.caller import platform_caller
from hive.observables.models import Observable
from hive.platform import Hive
from hive.tables import text_id
from waggle.contracts.vocabulary import TLP_LEVELS, verdict_level

log = structlog.get_logger(__name__)
IDLE_SECONDS = 1.0
CATALOGUE_SECONDS = 300.0
CLAIM = """UPDATE jobs SET attempts = attempts + 1, next_poll_at = now() + least(60, 2 ^ least(attempts, 6)) * interval '1 second'
  WHERE id IN (SELECT id FROM jobs WHERE next_poll_at <= now() AND status IN ('Waiting', 'InProgress')
    ORDER BY next_poll_at LIMIT 20 FOR UPDATE SKIP LOCKED) RETURNING id, org_id"""
GIVE_UP_AFTER = 2000


async def poll(hive: Hive) -> None:
    """Works until it is cancelled."""
    looked = 0.0
    loop = asyncio.get_running_loop()
    while True:
        busy = False
        try:
            if loop.time() - looked > CATALOGUE_SECONDS or not looked:
                looked = loop.time()
                await refresh_catalogues(hive)
            busy = await poll_once(hive)
        except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
            log.warning("cortex_polling_interrupted", error=str(error))
        if not busy:
            await asyncio.sleep(IDLE_SECONDS)


async def poll_once(hive: Hive) -> bool:
    """Takes the due jobs one step on; False when none was due."""
    rows = await hive.database.fetch(CLAIM, system=True)
    await asyncio.gather(*(_step(hive, row["id"], row["org_id"]) for row in rows))
    return bool(rows)


@dataclass(frozen=True, slots=True)
class _Due:
    server: CortexServer | None
    remote_id: str | None
    attempts: int
    submission: Submission
    sha256: str | None


async def _load(hive: Hive, job_id: int) -> _Due | None:
    async with hive.database.system() as session:
        job = await session.get(Job, job_id)
        observable = await session.get(Observable, job.observable_id) if job else None
        if job is None or observable is None:
            return None
        server = await session.scalar(select(CortexServer).where(CortexServer.name == job.server, CortexServer.kind == "rest"))
        number = await session.scalar(text("SELECT number FROM cases WHERE id = :id"), {"id": job.case_id})
        what = Submission(
            worker_id=job.worker_id, data_type=observable.data_type, data=observable.data, tlp=observable.tlp,
            pap=observable.pap, message=str(number or ""), parameters=job.parameters, file_name=observable.file_name,
            content_type=observable.content_type,
        )  # fmt: skip
        sha256 = observable.sha256.hex() if observable.sha256 else None
        return _Due(server, job.cortex_job_id, job.attempts, what, sha256)


async def _step(hive: Hive, job_id: int, org_id: int) -> None:
    due = await _load(hive, job_id)
    if due is None:
        return
    if due.server is None:
        await _end(hive, job_id, org_id, Outcome("Failure", "the Cortex server of this job is not configured any more"))
        return
    try:
        remote = RemoteCortex(hive, due.server)
        if due.remote_id is None:
            await _submit(hive, remote, job_id, org_id, due)
        else:
            await _follow(hive, remote, job_id, org_id, due.remote_id)
    except RemoteFailed as refused:
        await _end(hive, job_id, org_id, Outcome("Failure", str(refused)))
    except (httpx.HTTPError, OSError) as error:
        log.warning("cortex_call_failed", job=text_id(job_id), server=due.server.name, error=str(error))
        if due.attempts >= GIVE_UP_AFTER:
            reason = f"Cortex server {due.server.name} did not answer: {type(error).__name__}"
            await _end(hive, job_id, org_id, Outcome("Failure", reason))


async def _submit(hive: Hive, remote: RemoteCortex, job_id: int, org_id: int, due: _Due) -> None:
    what = due.submission
    if due.sha256 is not None:
        content = b"".join([chunk async for chunk in hive.blobs.open(due.sha256)])
        what = Submission(**{f: getattr(what, f) for f in what.__slots__ if f != "content"}, content=content)
    remote_id = await remote.submit(what)
    caller = platform_caller(org_id, "")
    async with hive.database.begin(caller.scope()) as session:
        job = await find_job(session, text_id(job_id), for_update=True)
        await started(session, caller, job, cortex_job_id=remote_id, attempt=job.attempts)
    hive.wake()


async def _follow(hive: Hive, remote: RemoteCortex, job_id: int, org_id: int, remote_id: str) -> None:
    found = await remote.report(remote_id)
    if found.get("status") in ENDED:
        await _end(hive, job_id, org_id, await _outcome(hive, found))


async def _outcome(hive: Hive, found: dict[str, Any]) -> Outcome:
    """A remote job with its report, in our words."""
    report = storable(found.get("report"))
    report = report if isinstance(report, dict) else {}
    if found["status"] != "Success" or not report.get("success", True):
        return Outcome("Failure", str(report.get("errorMessage") or found.get("errorMessage") or "the analyzer failed"))
    summary = report.get("summary")
    lines = summary.get("taxonomies") if isinstance(summary, dict) else None
    body, sha256 = await kept(hive, report.get("full"))
    return Outcome(
        "Success", verdicts=[_verdict(line) for line in lines or [] if isinstance(line, dict)], report=body, report_sha256=sha256,
        artifacts=[a for one in report.get("artifacts") or [] if (a := _artifact(one)) is not None],
        operations=[one for one in report.get("operations") or [] if isinstance(one, dict)],
    )  # fmt: skip


def _verdict(line: dict[str, Any]) -> dict[str, str]:
    texts = {name: str(line.get(name, "")) for name in ("namespace", "predicate", "value")}
    return {"level": verdict_level(line.get("level")), **texts}


def _artifact(one: Any) -> FoundArtifact | None:
    """A value found; files of remote reports stay in the remote Cortex."""
    if not isinstance(one, dict) or not isinstance(one.get("data"), str) or not isinstance(one.get("dataType"), str):
        return None
    tlp = one.get("tlp")
    word = TLP_LEVELS[tlp] if isinstance(tlp, int) and 0 <= tlp <= 2 else "RED" if tlp == 3 else None
    tags = [str(tag) for tag in one.get("tags") or []]
    return FoundArtifact(data_type=one["dataType"], data=one["data"], tlp=word, tags=tags, message=one.get("message"))


async def _end(hive: Hive, job_id: int, org_id: int, outcome: Outcome) -> None:
    caller = platform_caller(org_id, "")
    async with hive.database.begin(caller.scope()) as session:
        job = await find_job(session, text_id(job_id), for_update=True)
        await complete(session, caller, job, outcome)
    hive.wake()


async def refresh_catalogues(hive: Hive) -> None:
    """The lists of workers of all remote servers; one that does not answer keeps its old list."""
    async with hive.database.system() as session:
        servers = list(await session.scalars(select(CortexServer).where(CortexServer.kind == "rest")))
    for server in servers:
        try:
            listed = [_worker(one) for one in await RemoteCortex(hive, server).analyzers() if one.get("id")]
        except (RemoteFailed, httpx.HTTPError, OSError) as error:
            log.warning("cortex_catalogue_failed", server=server.name, error=str(error))
            continue
        async with hive.database.system() as session:
            await replace_catalogue(session, server, listed)


def _worker(one: dict[str, Any]) -> Worker:
    return Worker(
        worker_id=str(one["id"]), name=str(one.get("name", one["id"])), version=str(one.get("version", "")),
        description=str(one.get("description") or ""), kind="analyzer",
        data_types=[str(t) for t in one.get("dataTypeList") or []], max_tlp=_limit(one.get("maxTlp")),
        max_pap={0: "CLEAR", 1: "GREEN", 2: "AMBER", 3: "RED"}.get(_number(one.get("maxPap"))),
    )  # fmt: skip


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _limit(value: Any) -> str | None:
    """Cortex numbers TLP 0 to 3, where 3 is RED."""
    return {0: "CLEAR", 1: "GREEN", 2: "AMBER", 3: "RED"}.get(_number(value))
