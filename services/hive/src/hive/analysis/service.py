"""Asking for runs, and what their end means: verdicts on the observable, found artifacts, the operations a report asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis import artifacts, operations
from hive.analysis.backends import Backends
from hive.analysis.models import Action, Job, Run
from hive.analysis.outcomes import ENDED, Outcome
from hive.analysis.subjects import of_observable
from hive.analysis.workers import Choice, choose, definition_of, refusal
from hive.audit.service import Root, record
from hive.cases import rights
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.observables.models import Observable
from hive.observables.service import root_of
from hive.tables import number_of, text_id, touch
from waggle.errors import NotFound
from waggle.ids import now_ms


def asked(
    caller: Caller, choice: Choice, *, worker_id: str, server_name: str | None, parameters: dict[str, Any]
) -> dict[str, Any]:
    """The columns that every new run has."""
    now = now_ms()
    worker = choice.worker
    return {
        "asking_org_id": caller.org_id, "server": choice.server.name if choice.server else server_name or "",
        "worker_id": worker.worker_id if worker else worker_id, "worker_name": worker.name if worker else worker_id,
        "definition": definition_of(worker) if worker else worker_id, "status": "Waiting", "parameters": parameters,
        "operations": [], "start_date": now, "created_at": now, "created_by": caller.login,
    }  # fmt: skip


def refuse(run: Run, reason: str | None) -> None:
    """A run that cannot start ends at once, with the reason."""
    if reason is not None:
        run.status, run.error, run.end_date = "Failure", reason, run.start_date


async def request_job(
    session: AsyncSession,
    caller: Caller,
    observable: Observable,
    *,
    worker_id: str,
    server_name: str | None,
    parameters: dict[str, Any],
    backends: Backends,
) -> Job:
    """A new job. What cannot run (unknown worker or server, wrong type, marking over the limit) is a job that ends as Failure."""
    await rights.check(session, caller, case_id=observable.case_id, org_id=observable.org_id, permission=Permission.ANALYSE)
    choice = await choose(session, caller.organisation, kind="analyzer", worker_id=worker_id, server_name=server_name)
    subject = await of_observable(session, observable)
    job = Job(
        org_id=observable.org_id, observable_id=observable.id, case_id=observable.case_id, alert_id=observable.alert_id,
        **asked(caller, choice, worker_id=worker_id, server_name=server_name, parameters=parameters),
    )  # fmt: skip
    refuse(job, refusal(choice, subject, worker_id=worker_id, server_name=server_name))
    session.add(job)
    await session.flush()
    await _index(session, job)
    details = {"analyzerName": job.worker_name, "status": job.status, "observableId": text_id(observable.id)}
    if job.error is not None:
        details["errorMessage"] = job.error
    await record(session, caller, action="create", kind="job", object_id=job.id, root=root_of(observable), details=details)
    if job.status == "Waiting" and choice.server is not None:
        await backends[choice.server.kind].submit(session, caller, job, subject)
    await session.refresh(job)
    return job


async def find_job(session: AsyncSession, reference: str, *, for_update: bool = False) -> Job:
    """The job of an id. Raises NotFound."""
    statement = select(Job).where(Job.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update(of=Job).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Job {reference[:64]} not found")
    return found


async def find_run(session: AsyncSession, reference: str) -> Job | Action:
    """The job or the action of an id, locked. Raises NotFound."""
    number = number_of(reference)
    job = await session.scalar(
        select(Job).where(Job.id == number).with_for_update(of=Job).execution_options(populate_existing=True)
    )
    if job is not None:
        return job
    action = await session.scalar(
        select(Action).where(Action.id == number).with_for_update(of=Action).execution_options(populate_existing=True)
    )
    if action is not None:
        return action
    raise NotFound(f"there is no job or action {reference[:64]}")


async def started(session: AsyncSession, caller: Caller, run: Run, *, cortex_job_id: str, attempt: int) -> None:
    """A worker began (again). An ended run stays as it is, and an older attempt does not overwrite a newer one."""
    if run.status in ENDED or attempt < run.attempts:
        return
    run.status, run.cortex_job_id, run.attempts = "InProgress", cortex_job_id, attempt
    await _note(session, caller, run, {"status": run.status, "attempt": attempt})


async def complete(session: AsyncSession, caller: Caller, run: Run, outcome: Outcome, catalogue: Catalogue) -> bool:
    """Stores the end of a run that is locked by this transaction; False (and nothing written) if it had ended before."""
    if run.status in ENDED:
        return False
    run.status, run.error, run.end_date = outcome.status, outcome.error, now_ms()
    run.cortex_job_id = outcome.cortex_job_id or run.cortex_job_id
    run.next_poll_at = None
    run.report, run.report_sha256 = outcome.report, outcome.report_sha256
    await session.flush()
    if isinstance(run, Job):
        await _index(session, run, outcome)
        await artifacts.keep(session, run, outcome.artifacts)
        if outcome.status == "Success":
            await _publish_verdicts(session, caller, run, outcome.verdicts)
            await artifacts.import_wished(session, caller, run, catalogue)
    run.operations = await operations.apply(session, caller, run, outcome.operations, catalogue)
    details: dict[str, Any] = {"status": run.status}
    if run.error:
        details["errorMessage"] = run.error
    if run.operations:
        details["operations"] = [{k: one[k] for k in ("type", "status") if k in one} for one in run.operations]
    await _note(session, caller, run, details)
    return True


async def _note(session: AsyncSession, caller: Caller, run: Run, details: dict[str, Any]) -> None:
    touch(run, caller.login)
    await session.flush()
    root = Root("case", run.case_id) if run.case_id is not None else Root("alert", run.alert_id or 0)
    if isinstance(run, Action):
        about = {"responderName": run.worker_name, "objectType": run.object_kind, "objectId": text_id(run.object_id)}
    else:
        assert isinstance(run, Job)
        about = {"analyzerName": run.worker_name, "observableId": text_id(run.observable_id)}
    kind = "action" if isinstance(run, Action) else "job"
    await record(session, caller, action="update", kind=kind, object_id=run.id, root=root, details={**details, **about})


async def _index(session: AsyncSession, job: Job, outcome: Outcome | None = None) -> None:
    """What a job is found by: its analyzer, and once it ended its verdict lines and its report."""
    lines = [f"{v['namespace']} {v['predicate']} {v['value']} {v['level']}" for v in outcome.verdicts] if outcome else []
    parts = [job.worker_name, job.definition, job.error, *lines, outcome.words if outcome else ""]
    await session.execute(
        text(
            "INSERT INTO report_texts (job_id, document) VALUES (:id, search_document(:body))"
            " ON CONFLICT (job_id) DO UPDATE SET document = excluded.document"
        ),
        {"id": job.id, "body": " ".join(part for part in parts if part)},
    )


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
