"""`/api/receivers`: the default receivers of alerts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from misp_connector.access.guards import Manager, Reader
from misp_connector.instances.config import Texts
from misp_connector.receivers import service
from misp_connector.runtime import runtime_of
from waggle.db import Scope
from waggle.web import request_id

router = APIRouter(prefix="/api", tags=["receivers"])


class Receivers(BaseModel, extra="forbid"):
    organisations: Texts = Field(description="names of hive's organisations, for instances that name none")


@router.get("/receivers")
async def get_receivers(request: Request, caller: Reader) -> Receivers:
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        return Receivers(organisations=await service.default_receivers(session))


@router.put("/receivers")
async def put_receivers(request: Request, caller: Manager, data: Receivers) -> Receivers:
    async with runtime_of(request).database.begin(Scope(request_id=request_id())) as session:
        await service.set_default_receivers(session, organisations=data.organisations, actor=caller.name)
        return Receivers(organisations=await service.default_receivers(session))
