"""Set-up by the operator or the launcher: the first organisation, its people and workers. Running it again changes nothing."""

from __future__ import annotations

from typing import Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import SYSTEM, Actor
from cortex.definitions.service import list_definitions, rescan
from cortex.engine import Engine
from cortex.identity import keys, service
from cortex.identity.models import HOME, ApiKey, Organisation, User
from cortex.workers.models import Worker
from cortex.workers.service import Limits, announce_catalog, enable
from waggle.errors import BadRequest, WaggleError
from waggle.security.keys import key_hash
from waggle.security.passwords import is_blank

log = structlog.get_logger(__name__)
KINDS: tuple[Literal["analyzer", "responder"], ...] = ("analyzer", "responder")
MAKER = Actor(login=SYSTEM, organisation=HOME, roles=frozenset({"superadmin"}))
_LINK = text(
    "INSERT INTO service_links (sender, organisation, org_id, login)"
    " SELECT :service, :organisation, org_id, login FROM users WHERE login = :user"
    " ON CONFLICT (sender, organisation) DO UPDATE SET org_id = EXCLUDED.org_id, login = EXCLUDED.login"
    " RETURNING org_id"
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeededAdmin(_Part):
    """The superadmin. An existing one keeps his password."""

    login: str
    password: SecretStr


class SeededUser(_Part):
    """The first user of the organisation, with the API key he is to have."""

    login: str
    api_key: SecretStr | None = None
    password: SecretStr | None = None
    roles: list[str] = ["read", "analyze", "orgadmin"]


class ServiceLink(_Part):
    """Requests of another service for one of its organisations are served as this user, in the organisation he is of."""

    service: str
    organisation: str
    user: str


class Seed(_Part):
    """What `cortex seed --json -` reads. `enable_all`: every definition that needs no configuration is enabled."""

    organisation: str | None = None
    admin: SeededAdmin | None = None
    user: SeededUser | None = None
    enable_all: bool = False
    service_links: list[ServiceLink] = Field(default_factory=list)


class Seeded(BaseModel):
    """What was done. `not_enabled`: definitions that could not be enabled, and why."""

    enabled: list[str] = Field(default_factory=list)
    not_enabled: dict[str, str] = Field(default_factory=dict)


async def sow(engine: Engine, seed: Seed) -> Seeded:
    """Makes what is missing, in one transaction per step."""
    async with engine.database.begin(MAKER.scope) as session:
        await _people(session, engine, seed)
    if seed.service_links:
        async with engine.database.system() as session:
            await _links(session, seed)
    result = Seeded()
    if seed.enable_all and seed.organisation:
        await rescan(engine)
        actor = Actor(login=SYSTEM, organisation=seed.organisation, roles=frozenset({"orgadmin"}))
        for kind in KINDS:
            await _enable_all(engine, actor, kind, result)
    engine.notifier.wake("announcements")
    return result


async def _hash(engine: Engine, password: SecretStr) -> str:
    """An operator's password is taken as given, however short; a blank one would be none."""
    if is_blank(password.get_secret_value()):
        raise BadRequest("a seeded password may not be blank")
    return await engine.passwords.hash(password.get_secret_value())


async def _people(session: AsyncSession, engine: Engine, seed: Seed) -> None:
    if seed.admin and await session.get(User, seed.admin.login) is None:
        await service.create_user(
            session,
            MAKER,
            login=seed.admin.login,
            name="Administrator",
            roles=["superadmin"],
            organisation=HOME,
            password_hash=await _hash(engine, seed.admin.password),
        )
    if seed.organisation and await session.get(Organisation, seed.organisation) is None:
        await service.create_organisation(session, MAKER, name=seed.organisation, description="First organisation")
    if seed.user and seed.organisation:
        await _user(session, engine, seed.user, seed.organisation)


async def _user(session: AsyncSession, engine: Engine, seeded: SeededUser, organisation: str) -> None:
    user = await session.get(User, seeded.login)
    if user is None:
        user = await service.create_user(
            session,
            MAKER,
            login=seeded.login,
            name=seeded.login.partition("@")[0],
            roles=seeded.roles,
            organisation=organisation,
            password_hash=await _hash(engine, seeded.password) if seeded.password else None,
        )
    if seeded.api_key is None:
        return
    key = seeded.api_key.get_secret_value()
    known = await session.scalar(select(ApiKey.hash).where(ApiKey.login == user.login))
    if known != key_hash(key):
        await keys.set_key(session, MAKER, engine.box, user=user, key=key)


async def _links(session: AsyncSession, seed: Seed) -> None:
    for link in seed.service_links:
        organisation = await session.scalar(_LINK, link.model_dump())
        if organisation is None:
            raise BadRequest(f"service_links: there is no user {link.user}")
        await announce_catalog(session, organisation)


async def _enable_all(engine: Engine, actor: Actor, kind: str, result: Seeded) -> None:
    async with engine.database.begin(actor.scope) as session:
        definitions = await list_definitions(session, kind=kind, flawed=True)
        there = set(await session.scalars(select(Worker.definition_id).where(Worker.kind == kind)))
    for definition in definitions:
        if definition.id in there:
            continue
        try:
            async with engine.database.begin(actor.scope) as session:
                await enable(
                    session,
                    actor,
                    engine.box,
                    engine.defaults,
                    definition=definition,
                    name=definition.id,
                    given={},
                    limits=Limits(),
                )
            result.enabled.append(definition.id)
        except WaggleError as refusal:
            result.not_enabled[definition.id] = refusal.message
