"""Rules of workers: enabling, changing, disabling, and the configuration they share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cortex import audit, configuration
from cortex.acting import Actor
from cortex.definitions.models import Definition
from cortex.definitions.service import get_definition, list_definitions
from cortex.workers import items
from cortex.workers.models import BaseConfig, Worker
from waggle.errors import BadRequest, ConflictError, NotFound
from waggle.ids import now_ms
from waggle.security.secretbox import SecretBox

GLOBAL = "global"
"""The base configuration that every definition shares."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A worker's own limits; None = as the engine has it."""

    rate: int | None = None
    rate_unit: str | None = None
    cache_minutes: int | None = None
    timeout_minutes: int | None = None


def worker_id(*, organisation: str, name: str, kind: str) -> str:
    """The id clients store: it is the same whenever the worker is enabled again (contracts/cortex.md §2.4)."""
    return hashlib.md5(f"{organisation}_{name}_{kind}".encode(), usedforsecurity=False).hexdigest()


async def get_worker(session: AsyncSession, actor: Actor, *, kind: str, worker_id: str) -> Worker:
    """Raises NotFound, also for another organisation's."""
    found = await session.get(Worker, worker_id)
    if found is None or found.kind != kind or found.org_id != actor.organisation:
        raise NotFound(f"worker {worker_id} not found")
    return found


async def workers_for(session: AsyncSession, actor: Actor, *, kind: str, data_type: str) -> list[Worker]:
    query = select(Worker).where(Worker.org_id == actor.organisation, Worker.kind == kind)
    return list(await session.scalars(query.where(Worker.data_types.contains([data_type])).order_by(Worker.name)))


async def enable(
    session: AsyncSession,
    actor: Actor,
    box: SecretBox,
    defaults: items.Defaults,
    *,
    definition: Definition,
    name: str,
    given: dict[str, Any],
    limits: Limits,
    data_types: list[str] | None = None,
    runner: str | None = None,
) -> Worker:
    """Enables a definition in the actor's organisation. Raises InvalidFields for its configuration, ConflictError for its name.

    Missing values come from the organisation's shared configuration of the definition, then from the global one, then from the
    definition's own defaults.
    """
    if definition.readable_error is not None:
        raise BadRequest(f"{definition.id} cannot be enabled: {definition.readable_error}")
    kind = definition.kind
    known = {i["name"] for i in [*definition.items, *defaults.global_items(kind), *items.LIMITS]}
    shared = {k: v for k, v in (await _shared(session, actor, box, definition)).items() if k in known}
    wanted = {**shared, **{k: v for k, v in given.items() if v is not None or k not in shared}}
    config = items.checked([*definition.items, *defaults.global_items(kind)], wanted)
    row = Worker(
        id=worker_id(organisation=actor.organisation, name=name, kind=kind),
        org_id=actor.organisation,
        definition_id=definition.id,
        name=name,
        kind=kind,
        flavor_version=definition.flavor_version,
        description=definition.description,
        author=definition.author,
        url=definition.url,
        license=definition.license,
        data_types=definition.data_types if data_types is None else data_types,
        command=definition.command,
        root=definition.root,
        docker_image=definition.docker_image,
        base_config=definition.base_config or definition.name,
        rate=limits.rate,
        rate_unit=limits.rate_unit,
        cache_minutes=limits.cache_minutes,
        timeout_minutes=limits.timeout_minutes,
        runner=runner,
        created_at=now_ms(),
        created_by=actor.login,
        version=1,
    )
    _configure(row, box, config, definition.config)
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise ConflictError(f"worker {name} already exists", object={}) from None
    await audit.record(session, actor, "create", "worker", row.id, {"name": name, "definition": definition.id})
    await announce_catalog(session, actor.organisation)
    return row


async def update(
    session: AsyncSession,
    actor: Actor,
    box: SecretBox,
    *,
    kind: str,
    worker_id: str,
    changes: dict[str, Any],
    configuration: dict[str, Any] | None,
) -> Worker:
    """`changes` by column. `configuration` replaces the worker's as a whole, and is not checked against the items."""
    worker = await get_worker(session, actor, kind=kind, worker_id=worker_id)
    if configuration is not None:
        definition = await session.get(Definition, (kind, worker.definition_id))
        config = items.unmasked(configuration, opened(worker, box))
        _configure(worker, box, config, definition.config if definition else {})
    for name, value in changes.items():
        setattr(worker, name, value)
    worker.updated_at, worker.updated_by, worker.version = now_ms(), actor.login, worker.version + 1
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError:
        raise ConflictError(f"worker {worker.name} already exists", object={}) from None
    details = {**changes, **({"configuration": "changed"} if configuration is not None else {})}
    await audit.record(session, actor, "update", "worker", worker_id, details)
    await announce_catalog(session, actor.organisation)
    return worker


async def upgrade(
    session: AsyncSession,
    actor: Actor,
    box: SecretBox,
    defaults: items.Defaults,
    *,
    kind: str,
    worker_id: str,
    definition_id: str,
) -> Worker:
    """Moves a worker to another version of its definition; id, name, limits and configuration stay.

    Values that the new version does not know are dropped, new items get their defaults. Raises InvalidFields where a required
    item has no value, BadRequest for a definition that is not of the same name.
    """
    worker = await get_worker(session, actor, kind=kind, worker_id=worker_id)
    definition = await get_definition(session, kind=kind, definition_id=definition_id)
    before = await session.get(Definition, (kind, worker.definition_id))
    if before is None or definition.name != before.name:
        raise BadRequest(f"{definition_id} is no version of {worker.definition_id}")
    if definition.readable_error is not None:
        raise BadRequest(f"{definition.id} cannot be enabled: {definition.readable_error}")
    every = [*definition.items, *defaults.global_items(kind)]
    known = {item["name"] for item in [*every, *items.LIMITS]}
    config = items.checked(every, {k: v for k, v in opened(worker, box).items() if k in known})
    if set(worker.data_types) == set(before.data_types):
        worker.data_types = definition.data_types
    for column in ("flavor_version", "description", "author", "url", "license", "command", "root", "docker_image"):
        setattr(worker, column, getattr(definition, column))
    old, worker.definition_id = worker.definition_id, definition.id
    worker.base_config = definition.base_config or definition.name
    _configure(worker, box, config, definition.config)
    worker.updated_at, worker.updated_by, worker.version = now_ms(), actor.login, worker.version + 1
    await session.flush()
    await audit.record(session, actor, "update", "worker", worker_id, {"definition": definition.id, "before": old})
    await announce_catalog(session, actor.organisation)
    return worker


async def disable(session: AsyncSession, actor: Actor, *, kind: str, worker_id: str) -> None:
    """Removes the worker with its configuration; its jobs stay."""
    worker = await get_worker(session, actor, kind=kind, worker_id=worker_id)
    await session.delete(worker)
    await audit.record(session, actor, "delete", "worker", worker_id, {"name": worker.name, "definition": worker.definition_id})
    await announce_catalog(session, actor.organisation)


async def announce_catalog(session: AsyncSession, organisation: str) -> None:
    """Has the services that use the organisation's workers told of them. After the commit, wake `announcements`."""
    await session.execute(text("INSERT INTO announcements (what, org_id) VALUES ('catalog', :org)"), {"org": organisation})


def opened(worker: Worker, box: SecretBox) -> dict[str, Any]:
    """The configuration with its secrets; never to be shown."""
    config = orjson.loads(box.open(worker.config_sealed, context=f"worker:{worker.id}"))
    assert isinstance(config, dict)
    return config


def _configure(worker: Worker, box: SecretBox, config: dict[str, Any], flavor: dict[str, Any]) -> None:
    worker.config_sealed = box.seal(orjson.dumps(config), context=f"worker:{worker.id}")
    worker.public_config = items.public(config)
    worker.max_tlp, worker.max_pap = items.limits(configuration.merged(flavor, config))


# Shared configuration ---------------------------------------------------------------------------------------------------


async def _shared(session: AsyncSession, actor: Actor, box: SecretBox, definition: Definition) -> dict[str, Any]:
    own = await _base_config(session, actor, box, kind=definition.kind, name=definition.base_config or definition.name)
    return {**await _base_config(session, actor, box, kind=definition.kind, name=GLOBAL), **own}


async def _base_config(session: AsyncSession, actor: Actor, box: SecretBox, *, kind: str, name: str) -> dict[str, Any]:
    row = await session.get(BaseConfig, (actor.organisation, kind, name))
    if row is None:
        return {}
    config = orjson.loads(box.open(row.config_sealed, context=f"base_config:{actor.organisation}:{kind}:{name}"))
    assert isinstance(config, dict)
    return config


@dataclass(frozen=True, slots=True)
class SharedConfig:
    """A base configuration: its items, the definitions that share it, and the values, secrets masked."""

    name: str
    definitions: list[str]
    items: list[items.Item]
    values: dict[str, Any]


async def list_base_configs(session: AsyncSession, actor: Actor, defaults: items.Defaults, *, kind: str) -> list[SharedConfig]:
    """`global` first, then by name. A definition without items has none."""
    definitions = await list_definitions(session, kind=kind)
    query = select(BaseConfig).where(BaseConfig.org_id == actor.organisation, BaseConfig.kind == kind)
    stored = {row.name: row.public_config for row in await session.scalars(query)}
    shared = {GLOBAL: [*defaults.global_items(kind), *items.LIMITS]}
    shared |= {name: found for name, found in sorted(items.shared_items(definitions).items()) if found}
    return [
        SharedConfig(
            name=name,
            definitions=[d.name for d in definitions if name in (GLOBAL, d.base_config or d.name)],
            items=found,
            values=stored.get(name, {}),
        )
        for name, found in shared.items()
    ]


async def get_base_config(session: AsyncSession, actor: Actor, defaults: items.Defaults, *, kind: str, name: str) -> SharedConfig:
    """Raises NotFound."""
    for found in await list_base_configs(session, actor, defaults, kind=kind):
        if found.name == name:
            return found
    raise NotFound(f"config {name} not found")


async def set_base_config(
    session: AsyncSession, actor: Actor, box: SecretBox, defaults: items.Defaults, *, kind: str, name: str, given: dict[str, Any]
) -> SharedConfig:
    """Stores shared values. Unknown names are dropped and nulls removed; wrong types raise InvalidFields."""
    shared = await get_base_config(session, actor, defaults, kind=kind, name=name)
    known = {item["name"] for item in shared.items}
    before = await _base_config(session, actor, box, kind=kind, name=name)
    wanted = items.unmasked({k: v for k, v in given.items() if k in known}, before)
    config = items.checked(shared.items, wanted, partial=True)
    sealed = box.seal(orjson.dumps(config), context=f"base_config:{actor.organisation}:{kind}:{name}")
    row = await session.get(BaseConfig, (actor.organisation, kind, name))
    if row is None:
        row = BaseConfig(org_id=actor.organisation, kind=kind, name=name)
        session.add(row)
    row.config_sealed, row.public_config = sealed, items.public(config)
    await session.flush()
    await audit.record(session, actor, "update", "base_config", name, {"items": sorted(config)})
    return await get_base_config(session, actor, defaults, kind=kind, name=name)
