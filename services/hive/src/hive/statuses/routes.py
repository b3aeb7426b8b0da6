"""The v1 routes of alert and case statuses (contracts hive-v1 §2.16)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from hive.acting import IF_MATCH, Acting, Known, require
from hive.answers import answer, no_content
from hive.edits import plain_columns
from hive.identity.permissions import Permission
from hive.statuses import service
from hive.statuses.schemas import InputStatus, InputUpdateStatus, OutputStatus, status_out
from hive.statuses.service import Kind

MayDefine = Annotated[Acting, require(Permission.PLATFORM)]
Reference = Annotated[str, Path(description="id or value")]


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    return {"ord" if name == "order" else name: value for name, value in given.items()}


def _router(kind: Kind) -> APIRouter:
    router = APIRouter(prefix=f"/api/v1/{kind}Status", tags=["status"])

    @router.get("", response_model=list[OutputStatus], name=f"list_{kind}_statuses")
    async def list_all(acting: Known) -> Response:
        async with acting.read() as session:
            return answer([status_out(row) for row in await service.listed(session, kind)])

    @router.get("/{reference}", response_model=OutputStatus, name=f"get_{kind}_status")
    async def get(reference: Reference, acting: Known) -> Response:
        async with acting.read() as session:
            return answer(status_out(await service.find(session, kind, reference)))

    @router.post("", status_code=201, response_model=OutputStatus, name=f"create_{kind}_status")
    async def create(given: InputStatus, acting: MayDefine) -> Response:
        async with acting.begin() as session:
            row = await service.create(session, acting.caller, kind, **_columns(given.model_dump()))
        acting.hive.catalogues.forget()
        return answer(status_out(row), 201)

    @router.patch("/{reference}", status_code=204, name=f"update_{kind}_status", openapi_extra=IF_MATCH)
    async def update(reference: Reference, given: InputUpdateStatus, acting: MayDefine) -> Response:
        columns = plain_columns(_columns(given.given()), merged=frozenset(), clearable=frozenset())
        async with acting.begin() as session:
            row = await acting.matched(session, await service.find(session, kind, reference, for_update=True), status_out)
            await service.change(session, acting.caller, row, columns)
        acting.hive.catalogues.forget()
        return no_content()

    @router.delete("/{reference}", status_code=204, name=f"delete_{kind}_status", openapi_extra=IF_MATCH)
    async def delete(reference: Reference, acting: MayDefine) -> Response:
        async with acting.begin() as session:
            row = await acting.matched(session, await service.find(session, kind, reference, for_update=True), status_out)
            await service.remove(session, acting.caller, row)
        acting.hive.catalogues.forget()
        return no_content()

    return router


routers = [_router("alert"), _router("case")]
