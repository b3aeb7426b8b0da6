"""`/api/instances`: what is polled, how it is doing, and what can be asked of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Request
from fastapi.responses import Response

from misp_connector.access.guards import Manager, Reader
from misp_connector.instances import service
from misp_connector.instances.config import InstanceChange, InstanceInput
from misp_connector.instances.schemas import (
    InstanceOutput,
    PollInput,
    PollOutput,
    TestOutput,
    instance_output,
    test_output,
)
from misp_connector.polling.poller import CHANNEL
from misp_connector.polling.threads import in_thread
from misp_connector.runtime import Runtime, runtime_of
from misp_connector.sources.open import open_source
from misp_connector.sources.source import SourceError
from waggle.db import Scope
from waggle.errors import BadRequest
from waggle.security.secretbox import SealBroken
from waggle.web import request_id

router = APIRouter(prefix="/api", tags=["instances"])
Name = Annotated[str, Path(max_length=64)]


def _scope() -> Scope:
    return Scope(request_id=request_id())


async def _shown(runtime: Runtime, name: str) -> InstanceOutput:
    async with runtime.database.begin(_scope()) as session:
        return instance_output(*await service.get_instance(session, name=name))


@router.get("/instances")
async def list_instances(request: Request, caller: Reader) -> list[InstanceOutput]:
    """All instances with their state."""
    async with runtime_of(request).database.begin(_scope()) as session:
        return [instance_output(*found) for found in await service.list_instances(session)]


@router.post("/instances", status_code=201)
async def create_instance(request: Request, caller: Manager, data: InstanceInput) -> InstanceOutput:
    """A new instance; it is polled at once, unless `initial_delay` says otherwise."""
    runtime = runtime_of(request)
    folders = runtime.settings.feed_folders
    await service.check_target(url=data.url, kind=data.kind, guard=runtime.guard, folders=folders)
    async with runtime.database.begin(_scope()) as session:
        await service.create_instance(session, data=data, secrets=runtime.secrets, actor=caller.name)
    runtime.notifier.wake(CHANNEL)
    return await _shown(runtime, data.name)


@router.get("/instances/{name}")
async def get_instance(request: Request, caller: Reader, name: Name) -> InstanceOutput:
    return await _shown(runtime_of(request), name)


@router.patch("/instances/{name}")
async def change_instance(
    request: Request,
    caller: Manager,
    name: Name,
    change: InstanceChange,
    if_match: Annotated[str | None, Header(description="the version the change is based on")] = None,
) -> InstanceOutput:
    """Changes what is named. With new filters, events that were filtered are looked at again."""
    runtime = runtime_of(request)
    if change.url is not None:
        async with runtime.database.begin(_scope()) as session:
            instance, _ = await service.get_instance(session, name=name)
        folders = runtime.settings.feed_folders
        await service.check_target(url=change.url, kind=instance.kind, guard=runtime.guard, folders=folders)
    async with runtime.database.begin(_scope()) as session:
        await service.change_instance(
            session, name=name, change=change, secrets=runtime.secrets, actor=caller.name, version=_version(if_match)
        )
    runtime.notifier.wake(CHANNEL)
    return await _shown(runtime, name)


@router.delete("/instances/{name}", status_code=204)
async def delete_instance(request: Request, caller: Manager, name: Name) -> Response:
    runtime = runtime_of(request)
    async with runtime.database.begin(_scope()) as session:
        await service.delete_instance(session, name=name, actor=caller.name)
    runtime.notifier.wake("outbox")
    return Response(status_code=204)


@router.post("/instances/{name}/enable")
async def enable_instance(request: Request, caller: Manager, name: Name) -> InstanceOutput:
    return await _switch(runtime_of(request), name, enabled=True, actor=caller.name)


@router.post("/instances/{name}/disable")
async def disable_instance(request: Request, caller: Manager, name: Name) -> InstanceOutput:
    """Stops polling; a poll that runs ends at its next step."""
    return await _switch(runtime_of(request), name, enabled=False, actor=caller.name)


@router.post("/instances/{name}/test")
async def test_instance(request: Request, caller: Manager, name: Name) -> TestOutput:
    """Asks the source now: version, role of the key's user, permissions that are missing for the instance's purpose."""
    runtime = runtime_of(request)
    async with runtime.database.begin(_scope()) as session:
        instance, _ = await service.get_instance(session, name=name)
    sealed = instance.key_sealed
    try:
        key = runtime.secrets.open(sealed, context=instance.seal_context).decode() if sealed else None
        source = open_source(instance, key=key, guard=runtime.guard, folders=runtime.settings.feed_folders)
        try:
            return test_output(await in_thread(source.test))
        finally:
            source.close()
    except (SourceError, SealBroken) as error:
        return TestOutput(ok=False, error=str(error))


@router.post("/instances/{name}/poll", status_code=202)
async def poll_instance(
    request: Request, caller: Manager, name: Name, data: Annotated[PollInput | None, Body()] = None
) -> PollOutput:
    """Polls at once. With `since`, what was published from then on is read and sent again."""
    return await _poll(runtime_of(request), name, data, caller.name)


@router.post("/poll", status_code=202)
async def poll_all(request: Request, caller: Manager, data: Annotated[PollInput | None, Body()] = None) -> PollOutput:
    """Polls every instance that imports."""
    return await _poll(runtime_of(request), None, data, caller.name)


async def _poll(runtime: Runtime, name: str | None, data: PollInput | None, actor: str) -> PollOutput:
    since = data.since if data else None
    async with runtime.database.begin(_scope()) as session:
        names = await service.request_poll(session, name=name, since=since, actor=actor)
    runtime.notifier.wake(CHANNEL)
    return PollOutput(instances=names)


async def _switch(runtime: Runtime, name: str, *, enabled: bool, actor: str) -> InstanceOutput:
    async with runtime.database.begin(_scope()) as session:
        change = InstanceChange(enabled=enabled)
        await service.change_instance(session, name=name, change=change, secrets=runtime.secrets, actor=actor)
    runtime.notifier.wake(CHANNEL)
    return await _shown(runtime, name)


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    text = if_match.strip().strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest("If-Match must hold the instance's version")
    return int(text)
