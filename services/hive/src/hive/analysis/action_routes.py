"""Responders and actions, under the v1 prefix and under the one that clients still use (hive-v1 §2.13)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from starlette.responses import Response

from hive.acting import Acting, Member, require
from hive.analysis import actions
from hive.analysis.backends import backends
from hive.analysis.models import Action
from hive.analysis.reports import full_report
from hive.analysis.schemas import InputAction, OutputAction, OutputWorker, action_out, worker_out
from hive.analysis.subjects import DATA_TYPES
from hive.analysis.workers import workers
from hive.answers import answer
from hive.classic import outputs
from hive.identity.permissions import Permission
from hive.markings import tlp_of

MayAct = Annotated[Acting, require(Permission.ACTION)]
CLASSIC_RED = 3


def _router(prefix: str, *, shown: bool) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=["analysis"], include_in_schema=shown)

    def marking(number: int | None) -> str | None:
        """On the old prefix 3 may be meant as RED (hive-v0) or as AMBER+STRICT: the stricter reading."""
        if number is None:
            return None
        return "RED" if not shown and number >= CLASSIC_RED else tlp_of(number)

    @router.get("/responder/{entity_type}/{reference}", response_model=list[OutputWorker])
    async def list_responders(entity_type: str, reference: str, acting: Member) -> Response:
        """The responders that may work on the object: of its kind, and within its markings."""
        kind = actions.kind_of(entity_type)
        async with acting.read() as session:
            target = await actions.target_of(session, kind, reference)
            found = await actions.responders(session, acting.caller, target)
        return answer([worker_out(one) for one in found])

    @router.get("/responders/{entity_type}", response_model=list[OutputWorker])
    async def list_for_kind(entity_type: str, acting: Member) -> Response:
        """The responders for a kind of object."""
        data_type = DATA_TYPES[actions.kind_of(entity_type)]
        async with acting.read() as session:
            found = await workers(session, acting.caller.organisation, kind="responder", data_type=data_type)
        return answer([worker_out(one) for one in found])

    def both(action: Action, native: OutputAction) -> Any:
        """On the old prefix classic clients read beside thehive4py 2: the keys of both, hive-v1's where they name the same."""
        return native if shown else {**outputs.action_out(action), **native}

    async def _start(acting: Acting, listed: list[InputAction]) -> list[Any]:
        async with acting.begin() as session:
            made = []
            for given in listed:
                target = await actions.target_of(session, actions.kind_of(given.object_type), given.object_id)
                action = await actions.request_action(
                    session, acting.caller, target, worker_id=given.responder_id, server_name=given.cortex_id,
                    parameters=given.parameters or {}, backends=backends(acting.hive), tlp=marking(given.tlp),
                )  # fmt: skip
                made.append(both(action, action_out(action)))
        return made

    @router.post("/action", response_model=OutputAction)
    async def create_action(given: InputAction, acting: MayAct) -> Response:
        """Starts a responder. What cannot run is an action that ends as Failure with the reason."""
        return answer((await _start(acting, [given]))[0])

    @router.post("/actions", response_model=list[OutputAction])
    async def create_actions(given: list[InputAction], acting: MayAct) -> Response:
        """Starts several responders: all of them, or none if one of the objects is not there."""
        return answer(await _start(acting, given[:100]))

    @router.get("/action/{reference}", response_model=OutputAction)
    async def get_action(reference: str, acting: Member) -> Response:
        """The action; once it ended well, with its report."""
        async with acting.read() as session:
            action = await actions.find(session, reference)
            full = await full_report(acting.hive, session, action) if action.status == "Success" else None
        return answer(both(action, action_out(action, full=full)))

    @router.get("/action/{entity_type}/{reference}", response_model=list[OutputAction])
    async def list_actions(entity_type: str, reference: str, acting: Member) -> Response:
        """What responders did with an object, newest first."""
        kind = actions.kind_of(entity_type)
        async with acting.read() as session:
            target = await actions.target_of(session, kind, reference)
            found = await actions.of_object(session, target)
        return answer([both(one, action_out(one)) for one in found])

    return router


routers = [_router("/api/v1/connector/cortex", shown=True), _router("/api/connector/cortex", shown=False)]
