"""Asking for analyses, and what their end means for the observable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import any_, delete, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.backends import AnalysisBackend
from hive.analysis.models import CortexServer, Job, JobArtifact, Worker
from hive.attachments.files import StoredFile
from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.observables.service import root_of
from hive.tables import number_of, text_id, touch
from waggle.contracts.vocabulary import Pap, Tlp, pap_word, stricter_pap, stricter_tlp, tlp_word
from waggle.errors import NotFound
from waggle.ids import now_ms

ENDED = frozenset({"Success", "Failure", "Deleted"})
INLINE_REPORT = 256 * 1024
Backends = Mapping[str, AnalysisBackend]


@dataclass(frozen=True, slots=True)
class Available:
    """A worker together with the servers that have it and that the organisation may use."""

    worker: Worker
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoundArtifact:
    """What a report found: a text or a stored file."""

    data_type: str
    data: str | None = None
    file: StoredFile | None = None
    tlp: str | None = None
    tags: Sequence[str] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a job. `report_sha256`: the stored content of a report too long for the row."""

    status: str
    error: str | None = None
    verdicts: Sequence[Mapping[str, str]] = ()
    report: Any = None
    report_sha256: bytes | None = None
    artifacts: Sequence[FoundArtifact] = ()
    operations: Sequence[Mapping[str, Any]] = field(default_factory=list)
    cortex_job_id: str | None = None


def _usable(organisation: str) -> Any:
    return or_(func.cardinality(CortexServer.organisations) == 0, literal(organisation) == any_(CortexServer.organisations))


async def workers(
    session: AsyncSession,
    organisation: str,
    *,
    kind: str = "analyzer",
    data_type: str | None = None,
    worker_id: str | None = None,
) -> list[Available]:
    """The workers that the organisation may use, by name."""
    statement = (
        select(Worker, CortexServer.name)
        .join(CortexServer, CortexServer.id == Worker.server_id)
        .where(Worker.kind == "analyzer", _usable(organisation))
        .order_by(Worker.name, CortexServer.id)
    )
    if data_type is not None:
        statement = statement.where(literal(data_type) == any_(Worker.data_types))
    if worker_id is not None:
        statement = statement.where(or_(Worker.worker_id == worker_id, Worker.name == worker_id))
    found: dict[str, Available] = {}
    for worker, server in await session.execute(statement):
        known = found.get(worker.worker_id)
        found[worker.worker_id] = Available(known.worker if known else worker, (*(known.servers if known else ()), server))
    return list(found.values())


async def request_job(
    session: AsyncSession,
    caller: Caller,
    observable: Observable,
    *,
    worker_id: str,
    server_name: str | None,
    parameters: dict[str, Any],
    backends: Backends,
    case_number: int | None = None,
) -> Job:
    """A new job. What cannot run (unknown worker or server, wrong type, marking over the limit) is a job that ends as Failure."""
    available = await workers(session, caller.organisation, worker_id=worker_id)
    chosen = next((one for one in available if server_name is None or server_name in one.servers), None)
    server = await _server(session, caller, server_name or (chosen.servers[0] if chosen else None))
    worker = chosen.worker if chosen else None
    now = now_ms()
    job = Job(
        org_id=observable.org_id, observable_id=observable.id, case_id=observable.case_id, alert_id=observable.alert_id,
        server=server.name if server else server_name or "", worker_id=worker.worker_id if worker else worker_id,
        worker_name=worker.name if worker else worker_id, status="Waiting", parameters=parameters, operations=[],
        definition=_definition(worker) if worker else worker_id,
        start_date=now, created_at=now, created_by=caller.login,
    )  # fmt: skip
    refusal = _refusal(observable, worker, server, worker_id, server_name)
    if refusal is not None:
        job.status, job.error, job.end_date = "Failure", refusal, now
    session.add(job)
    await session.flush()
    details = {"analyzerName": job.worker_name, "status": job.status, "observableId": text_id(observable.id)}
    if refusal is not None:
        details["errorMessage"] = refusal
    await record(session, caller, action="create", kind="job", object_id=job.id, root=root_of(observable), details=details)
    if refusal is None:
        assert server is not None
        message = str(case_number) if case_number is not None else ""
        await backends[server.kind].submit(session, caller, job, observable, message=message)
    await session.refresh(job)
    return job


def _definition(worker: Worker) -> str:
    """The flavor's id, `Name_1_0`; workers are usually named after it."""
    version = f"_{worker.version}".replace(".", "_")
    return worker.name if worker.name.endswith(version) else f"{worker.name}{version}"


async def _server(session: AsyncSession, caller: Caller, name: str | None) -> CortexServer | None:
    return await session.scalar(select(CortexServer).where(CortexServer.name == name, _usable(caller.organisation)))


def _refusal(
    observable: Observable, worker: Worker | None, server: CortexServer | None, worker_id: str, server_name: str | None
) -> str | None:
    """Why the job cannot run, in words for the analyst; None when it can."""
    if server is None and server_name is not None:
        return f"Cortex server {server_name} is not configured"
    if worker is None or server is None:
        return f"no Cortex server has the analyzer {worker_id}"
    if observable.data_type not in worker.data_types:
        return f"{worker.name} does not take observables of type {observable.data_type}"
    tlp, pap = tlp_word(observable.tlp), pap_word(observable.pap)
    if worker.max_tlp is not None and stricter_tlp(tlp, _tlp(worker.max_tlp)):
        return f"TLP is higher than allowed: the observable is TLP:{tlp}, {worker.name} takes up to TLP:{worker.max_tlp}"
    if worker.max_pap is not None and stricter_pap(pap, _pap(worker.max_pap)):
        return f"PAP is higher than allowed: the observable is PAP:{pap}, {worker.name} takes up to PAP:{worker.max_pap}"
    return None


def _tlp(word: str) -> Tlp:
    return tlp_word(word)


def _pap(word: str) -> Pap:
    return pap_word(word)


async def find_job(session: AsyncSession, reference: str, *, for_update: bool = False) -> Job:
    """The job of an id. Raises NotFound."""
    statement = select(Job).where(Job.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update(of=Job).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Job {reference[:64]} not found")
    return found


async def started(session: AsyncSession, caller: Caller, job: Job, *, cortex_job_id: str, attempt: int) -> None:
    """A worker began (again). An ended job stays as it is, and an older attempt does not overwrite a newer one."""
    if job.status in ENDED or attempt < job.attempts:
        return
    job.status, job.cortex_job_id, job.attempts = "InProgress", cortex_job_id, attempt
    await _note(session, caller, job, {"status": job.status, "attempt": attempt})


async def complete(session: AsyncSession, caller: Caller, job: Job, outcome: Outcome) -> bool:
    """Stores the end of a job that is locked by this transaction; False (and nothing written) if it had ended before."""
    if job.status in ENDED:
        return False
    job.status, job.error, job.end_date = outcome.status, outcome.error, now_ms()
    job.cortex_job_id = outcome.cortex_job_id or job.cortex_job_id
    job.next_poll_at = None
    job.operations = [dict(one) for one in outcome.operations]
    job.report, job.report_sha256 = outcome.report, outcome.report_sha256
    for one in outcome.artifacts:
        file = one.file
        session.add(
            JobArtifact(
                org_id=job.org_id, job_id=job.id, data_type=one.data_type, data=one.data, tags=list(one.tags),
                message=one.message, tlp=one.tlp or "AMBER", sha256=file.sha256 if file else None,
                file_name=file.name if file else None, content_type=file.content_type if file else None,
                size=file.size if file else None,
            )
        )  # fmt: skip
        await session.flush()
    if outcome.status == "Success":
        await _publish_verdicts(session, caller, job, outcome.verdicts)
    details: dict[str, Any] = {"status": job.status, "analyzerName": job.worker_name}
    if job.error:
        details["errorMessage"] = job.error
    await _note(session, caller, job, details)
    return True


async def _note(session: AsyncSession, caller: Caller, job: Job, details: dict[str, Any]) -> None:
    touch(job, caller.login)
    await session.flush()
    root = Root("case", job.case_id) if job.case_id is not None else Root("alert", job.alert_id or 0)
    await record(
        session, caller, action="update", kind="job", object_id=job.id, root=root,
        details={**details, "observableId": text_id(job.observable_id)},
    )  # fmt: skip


async def _publish_verdicts(session: AsyncSession, caller: Caller, job: Job, lines: Sequence[Mapping[str, str]]) -> None:
    """Verdict lines onto the observable, in place of those of the analyzer's former run."""
    observable = await session.scalar(select(Observable).where(Observable.id == job.observable_id).with_for_update(of=Observable))
    if observable is None:
        return
    await session.execute(
        text("DELETE FROM verdicts WHERE observable_id = :observable AND analyzer = :analyzer"),
        {"observable": observable.id, "analyzer": job.worker_name},
    )
    shown = [{k: line[k] for k in ("level", "namespace", "predicate", "value")} for line in lines]
    await session.execute(
        text(
            "INSERT INTO verdicts (job_id, observable_id, org_id, analyzer, level, namespace, predicate, value)"
            " SELECT :job, :observable, :org, :analyzer, v.level, v.namespace, v.predicate, v.value"
            " FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS v(level text, namespace text, predicate text, value text)"
        ),
        {
            "job": job.id, "observable": observable.id, "org": job.org_id, "analyzer": job.worker_name,
            "lines": orjson.dumps(shown).decode(),
        },
    )  # fmt: skip
    observable.reports = {**observable.reports, job.worker_name: {"taxonomies": shown}}
    touch(observable, caller.login)
    await session.flush()
    await record(
        session, caller, action="update", kind="observable", object_id=observable.id, root=root_of(observable), base=False,
        details={"reports": {job.worker_name: {"taxonomies": shown}}},
    )  # fmt: skip


async def artifacts_of(session: AsyncSession, job: Job) -> list[JobArtifact]:
    return list(await session.scalars(select(JobArtifact).where(JobArtifact.job_id == job.id).order_by(JobArtifact.id)))


async def replace_catalogue(session: AsyncSession, server: CortexServer, listed: Sequence[Worker]) -> None:
    """A server's whole list of workers, in place of what was known of it."""
    await session.execute(delete(Worker).where(Worker.server_id == server.id))
    for one in {worker.worker_id: worker for worker in listed}.values():
        one.server_id = server.id
        session.add(one)
    await session.flush()
