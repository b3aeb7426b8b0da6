"""Classic routes of the connectors to Cortex and MISP (contracts hive-v0 §2.10, §2.11).

Under `/api/connector/cortex` two clients meet: classic ones and thehive4py 2, which still calls that prefix. The routes both use
are `hive.analysis`' own and answer the keys of both; what only classic clients ask is here, and under `/api/v0` all of it in the
classic form alone.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.analysis import actions
from hive.analysis import service as analysis
from hive.analysis.action_routes import MayAct
from hive.analysis.backends import backends
from hive.analysis.reports import full_report
from hive.analysis.routes import MayAnalyse
from hive.analysis.schemas import worker_out
from hive.analysis.workers import Available, workers
from hive.answers import answer, no_content
from hive.classic import showing
from hive.classic.marks import MayAlert, classic_body
from hive.classic.outputs import action_out
from hive.classic.reading import Body, reference, tlp_out
from hive.classic.registers import RESPONDER
from hive.classic.search import Wanted, parsed_query, searchable, wanted_page
from hive.events.outgoing import tell
from hive.identity.permissions import Permission
from hive.misp import service as misp
from hive.misp.export_routes import requested
from hive.misp.exports import InputExport, awaited, classic_answer
from hive.observables.service import find as find_observable
from hive.web_bodies import parse_model
from waggle.contracts.messages.misp import MispPollRequested
from waggle.errors import NotFound
from waggle.query import HIVE_V0, Node, Search, Statement, parse_filter, where_sql
from waggle.query.session import clause, run_limited
from waggle.web.fields import read_fields
from waggle.web.paging import parse_range

CORTEX = "/connector/cortex"
MISP = "/connector/misp"
NAME = 256


def routes(router: APIRouter) -> None:
    """What both prefixes of the classic API have."""
    searchable(router, f"{CORTEX}/job", "case_artifact_job", showing.jobs, gets=False)
    searchable(router, f"{CORTEX}/action", "action", showing.actions, gets=False)

    @router.post(f"{CORTEX}/responder/_search", openapi_extra=classic_body())
    async def search_responders(request: Request, acting: Member) -> Response:
        """The organisation's responders, whatever object they work on."""
        async with read_fields(request, json_by_default=True) as fields:
            query = parse_filter(parsed_query(fields.values.get("query")), HIVE_V0)
            page = wanted_page(fields)
        async with acting.read() as session:
            wanted = await _responders(session, query)
            found = await workers(session, acting.caller.organisation, kind="responder")
        fitting = [worker_shown(one) for one in found if one.worker.worker_id in wanted]
        last = None if page.limit is None else page.offset + page.limit
        return answer(fitting[page.offset : last], total=len(fitting))

    _misp(router)


async def _responders(session: AsyncSession, query: Node) -> set[str]:
    """The ids of the responders that fit a filter. Raises BadRequest."""
    where = where_sql(Search(RESPONDER, query, coerces=True))
    statement = Statement(f"SELECT t.worker_id FROM {RESPONDER.table} t WHERE {where.sql}", where.args, where.types)
    return {row.worker_id for row in await run_limited(session, clause(statement))}


def worker_shown(one: Available) -> dict[str, Any]:
    """An analyzer or responder; its highest TLP on the classic scale, where 3 is RED."""
    shown: dict[str, Any] = {**worker_out(one)}
    if one.worker.max_tlp is not None:
        shown["maxTlp"] = tlp_out(one.worker.max_tlp)
    return shown


def _misp(router: APIRouter) -> None:
    async def poll(acting: Acting) -> Response:
        acting.caller.check(Permission.CONFIG)
        async with acting.begin() as session:
            await tell(session, acting.caller, MispPollRequested(), key="instance:*")
        return no_content()

    for name in ("_syncAlerts", "_syncAllAlerts", "_syncArtifacts"):

        @router.get(f"{MISP}/{name}", status_code=204, name=name)
        async def synchronise(acting: MayAlert) -> Response:
            """Asks the connector to poll all its instances now; it looks for what is new since it last did."""
            return await poll(acting)

    @router.get(f"{MISP}/status")
    async def status(acting: Member) -> Response:
        """The servers, in the words of TheHive 3 and 4: WARNING when some fail, ERROR when all do."""
        async with acting.read() as session:
            found = [one for one in await misp.instances(session) if one.status not in ("DISABLED", "REMOVED")]
        servers = [
            {
                "name": one.name, "version": one.server_version or "", "status": "ERROR" if one.status == "ERROR" else "OK",
                "url": one.url, "purpose": one.purpose,
            }
            for one in found
        ]  # fmt: skip
        bad = sum(one["status"] == "ERROR" for one in servers)
        word = "OK" if not bad else "ERROR" if bad == len(servers) else "WARNING"
        return answer({"enabled": bool(servers), "status": word, "servers": servers})

    @router.post(f"{MISP}/export/{{case_id}}/{{instance}}", status_code=201, openapi_extra=classic_body())
    async def export(case_id: str, instance: str, request: Request, acting: MayAlert) -> Response:
        """Waits for the result: 201 with what was exported, 207 with `success` and `failure`; 204 at once with `v0_strict4`."""
        acting.caller.check(Permission.SHARE)
        async with read_fields(request, json_by_default=True) as fields:
            given = parse_model(InputExport, fields.values)
        record_id = await requested(acting, reference(case_id), reference(instance), given)
        if acting.hive.settings.v0_strict4:
            return no_content()
        row = await awaited(acting, record_id, seconds=acting.hive.settings.v0_export_wait)
        async with acting.read() as session:
            value, code = await classic_answer(session, row)
        return answer(value, code)


def v0_routes(router: APIRouter) -> None:
    """What `hive.analysis` has under `/api`, in the classic form alone."""
    _analyzers(router)

    @router.post(f"{CORTEX}/job", status_code=201, openapi_extra=classic_body())
    async def create_job(request: Request, acting: MayAnalyse) -> Response:
        """Asks for an analysis. What cannot run is a job that ends as Failure with the reason."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        worker, observable_id = body.need("analyzerId", limit=NAME), body.need("artifactId", limit=64)
        async with acting.begin() as session:
            job = await analysis.request_job(
                session, acting.caller, await find_observable(session, reference(observable_id)), worker_id=worker,
                server_name=body.text("cortexId", limit=NAME) or None, parameters=body.mapping("parameters") or {},
                backends=backends(acting.hive),
            )  # fmt: skip
            return answer((await showing.jobs(session, acting, [job]))[0], 201)

    @router.get(f"{CORTEX}/job/{{job_id}}")
    async def get_job(job_id: str, request: Request, acting: Member) -> Response:
        """The job; once it ended well, with its report."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        asked = Wanted(body.number("nparent", low=0, high=1000) or 0)
        async with acting.read() as session:
            job = await analysis.find_job(session, reference(job_id))
            (shown,) = await showing.jobs(session, acting, [job], asked)
            if job.status == "Success":
                shown["report"]["full"] = await full_report(acting.hive, session, job)
            return answer(shown)

    @router.get(f"{CORTEX}/responder/{{object_type}}/{{object_id}}")
    async def responders(object_type: str, object_id: str, acting: Member) -> Response:
        """The responders that may work on the object: of its kind, and within its markings."""
        async with acting.read() as session:
            target = await actions.target_of(session, actions.kind_of(object_type), reference(object_id))
            found = await actions.responders(session, acting.caller, target)
        return answer([worker_shown(one) for one in found])

    @router.post(f"{CORTEX}/action", openapi_extra=classic_body())
    async def create_action(request: Request, acting: MayAct) -> Response:
        """Starts a responder. What cannot run is an action that ends as Failure with the reason."""
        async with read_fields(request, json_by_default=True) as fields:
            body = Body(fields.values)
        worker, kind = body.need("responderId", limit=NAME), actions.kind_of(body.need("objectType", limit=64))
        object_id, (tlp, _) = body.need("objectId", limit=300), body.tlp()
        async with acting.begin() as session:
            action = await actions.request_action(
                session, acting.caller, await actions.target_of(session, kind, reference(object_id)), worker_id=worker,
                server_name=body.text("cortexId", limit=NAME) or None, parameters=body.mapping("parameters") or {},
                backends=backends(acting.hive), tlp=tlp,
            )  # fmt: skip
            return answer(action_out(action))

    @router.get(f"{CORTEX}/action/{{object_type}}/{{object_id}}")
    async def actions_of(object_type: str, object_id: str, acting: Member) -> Response:
        """What responders did with an object, newest first."""
        async with acting.read() as session:
            target = await actions.target_of(session, actions.kind_of(object_type), reference(object_id))
            return answer([action_out(one) for one in await actions.of_object(session, target)])

    @router.get(f"{CORTEX}/action/{{action_id}}")
    async def get_action(action_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            action = await actions.find(session, reference(action_id))
            full = await full_report(acting.hive, session, action) if action.status == "Success" else None
            return answer(action_out(action, full=full))


def _analyzers(router: APIRouter) -> None:
    @router.get(f"{CORTEX}/analyzer")
    async def analyzers(acting: Member, range: str = "all") -> Response:
        page = parse_range(range)
        async with acting.read() as session:
            found = [worker_shown(one) for one in await workers(session, acting.caller.organisation)]
        last = None if page.limit is None else page.offset + page.limit
        return answer(found[page.offset : last], total=len(found))

    @router.get(f"{CORTEX}/analyzer/type/{{data_type}}")
    async def analyzers_for(data_type: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation, data_type=reference(data_type))
        return answer([worker_shown(one) for one in found])

    @router.get(f"{CORTEX}/analyzer/{{analyzer_id}}")
    async def analyzer(analyzer_id: str, acting: Member) -> Response:
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation, worker_id=reference(analyzer_id))
        if not found:
            raise NotFound(f"Analyzer {analyzer_id[:100]} not found")
        return answer(worker_shown(found[0]))
