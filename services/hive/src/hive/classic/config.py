"""Classic routes of settings: of the organisation and of oneself (contracts hive-v0 §2.12, §5.9, §7)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from hive.acting import Acting, Member
from hive.answers import answer, no_content
from hive.classic.artifacts import REPLY
from hive.classic.marks import MayAlert, classic_body
from hive.classic.notifications import PATH as NOTIFICATIONS
from hive.classic.notifications import check as check_notifications
from hive.configuration import service
from hive.identity.permissions import Permission
from waggle.errors import InvalidFields, NotFound
from waggle.web.fields import read_fields

REPLIES = ("array", "object-if-single")


def _check(acting: Acting, path: str, value: Any) -> None:
    """What the service itself reads is checked when it is set."""
    if path == REPLY and value not in REPLIES:
        raise InvalidFields.invalid("value", f"one of {', '.join(REPLIES)} is needed")
    if path == NOTIFICATIONS:
        check_notifications(acting.hive.settings, value)


def shown(path: str, value: Any) -> dict[str, Any]:
    return {"path": path, "defaultValue": None, "value": value}


def routes(router: APIRouter) -> None:
    _of("organisation", router, personal=False)
    _of("user", router, personal=True)

    @router.get("/config")
    async def listed(acting: Member) -> Response:
        """Everything the organisation has set."""
        async with acting.read() as session:
            return answer([shown(row.path, row.value) for row in await service.listed(session, acting.caller, personal=False)])

    @router.get("/config/{path:path}")
    async def effective(path: str, acting: Member) -> Response:
        """What holds for the caller: the own choice, else the organisation's, else the server's setting."""
        async with acting.read() as session:
            value = await service.chosen(session, acting.caller, service.checked(path))
        default = acting.hive.settings.v0_observable_reply if path == REPLY else None
        if value is None and default is None:
            raise NotFound(f"Configuration {path[:64]} not found")
        return answer({"path": path, "defaultValue": default, "value": default if value is None else value})


def _of(whose: str, router: APIRouter, *, personal: bool) -> None:
    @router.get(f"/config/{whose}/{{path:path}}", name=f"get_{whose}_config")
    async def get(path: str, acting: Member) -> Response:
        async with acting.read() as session:
            value = await service.read(session, acting.caller, service.checked(path), personal=personal)
        if value is None:
            raise NotFound(f"Configuration {path[:64]} not found")
        return answer(shown(path, value))

    @router.put(f"/config/{whose}/{{path:path}}", status_code=204, name=f"set_{whose}_config", openapi_extra=classic_body())
    async def put(path: str, request: Request, acting: MayAlert) -> Response:
        """`{"value": …}`. Of the organisation this needs manageConfig."""
        if not personal:
            acting.caller.check(Permission.CONFIG)
        async with read_fields(request, json_by_default=True) as fields:
            if "value" not in fields.values:
                raise InvalidFields.missing("value")
            value = fields.values["value"]
        _check(acting, service.checked(path), value)
        async with acting.begin() as session:
            await service.write(session, acting.caller, path, value, personal=personal)
        return no_content()
