"""What anybody may ask without credentials, and what the v1 API says about itself."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from hive.acting import Known
from hive.answers import answer
from hive.identity.permissions import Permission
from hive.platform import Hive
from hive.tables import SYSTEM_LOGIN
from hive.version import CLASSIC_VERSION, VERSION
from waggle.web.access import Public

router = APIRouter(tags=["status"])
LICENCE = {
    "notFound": True,
    "fallback": {
        "_id": "~1", "_type": "License", "_createdBy": SYSTEM_LOGIN, "_createdAt": 1767225600000, "id": "community",
        "customer": "none", "plan": "open-source", "kind": "fallback", "validFrom": 0, "expiresAt": 4102444800000,
        "current": True, "capabilities": [], "quotas": {},
    },
}  # fmt: skip


async def connectors(hive: Hive) -> dict[str, Any]:
    """The Cortex servers and MISP instances that are configured, as the classic status shows them."""
    servers = await hive.database.fetch("SELECT name FROM cortex_servers ORDER BY id", system=True)
    instances = await hive.database.fetch("SELECT name, url, purpose, status FROM misp_instances ORDER BY name", system=True)
    shown_servers = [{"name": s["name"], "version": "", "status": "OK"} for s in servers]
    shown_instances = [dict(one) for one in instances]
    return {
        "cortex": {"enabled": bool(shown_servers), "status": "OK", "servers": shown_servers},
        "misp": {"enabled": bool(shown_instances), "status": "OK", "servers": shown_instances},
    }


@router.get("/api/status", dependencies=[Public()], response_model=dict[str, Any])
@router.get("/api/v0/status", dependencies=[Public()], include_in_schema=False)
async def status(request: Request) -> Response:
    """Versions and ways to log in; names of servers are for people who are logged in (`/api/v1/status`)."""
    hive: Hive = request.app.state.hive
    return answer(
        {
            "versions": {"Scalligraph": CLASSIC_VERSION, "TheHive": CLASSIC_VERSION, "Play": "", "hive": VERSION},
            "connectors": {"cortex": {"enabled": True, "status": "OK", "servers": []}},
            "config": {
                "protectDownloadsWith": hive.settings.attachment_password, "authType": ["session", "key", "basic", "local"],
                "capabilities": ["changePassword", "setPassword", "authByKey"], "ssoAutoLogin": False,
                "pollingDuration": 1000, "freeTagDefaultColour": "#000000",
            },
            "schemaStatus": [],
        }
    )  # fmt: skip


@router.get("/api/health", dependencies=[Public()], response_class=PlainTextResponse)
@router.get("/api/v0/health", dependencies=[Public()], include_in_schema=False)
async def health(request: Request) -> Response:
    hive: Hive = request.app.state.hive
    await hive.database.check()
    return PlainTextResponse("Ok")


@router.get("/api/v1/status/public", dependencies=[Public()], response_model=dict[str, Any])
async def public_status() -> Response:
    return answer({"version": VERSION, "sso": False, "imports": []})


@router.get("/api/v1/status", response_model=dict[str, Any])
async def full_status(acting: Known) -> Response:
    return answer(
        {
            "version": VERSION,
            "gitDescription": VERSION,
            "connectors": await connectors(acting.hive),
            "config": {},
            "license": LICENCE,
        }
    )


@router.get("/api/v1/license/current", response_model=dict[str, Any])
async def licence(acting: Known) -> Response:
    """Clients look whether the licence ends; there is none that could."""
    return answer(LICENCE)


@router.get("/api/v1/permission", response_model=list[dict[str, Any]])
async def permissions(acting: Known) -> Response:
    return answer([{"name": str(one), "label": str(one)} for one in Permission])
