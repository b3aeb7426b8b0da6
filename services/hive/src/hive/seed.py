"""The first content of an installation: idempotent, run as the owner of the tables by `hive seed`.

What is seeded carries `_createdBy` system@thehive.local: the published suite of thehive4py deletes everything of others.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.models import ApiKey, Membership, Organisation, Profile, User
from hive.identity.permissions import ADMIN_ORGANISATION, BUILT_IN_PROFILES
from hive.procedures import catalogue as techniques
from hive.tables import SYSTEM_LOGIN
from hive.templates.models import CaseTemplate
from waggle.contracts.vocabulary import CASE_INSENSITIVE_TYPES
from waggle.ids import now_ms
from waggle.security.keys import key_hash, key_prefix
from waggle.security.passwords import Passwords
from waggle.security.secretbox import SecretBox

OBSERVABLE_TYPES = (
    "url", "other", "user-agent", "regexp", "mail-subject", "registry", "mail", "autonomous-system", "domain", "ip",
    "uri_path", "filename", "hash", "file", "fqdn", "hostname",
)  # fmt: skip
SEEDED_KEY = "seed"
Login = Annotated[str, Field(min_length=3, max_length=128)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Administrator(_Part):
    login: Login
    password: str


class OrganisationAdmin(_Part):
    """`login` absent: the administrator, who is then a member of the first organisation, too."""

    login: Login | None = None
    api_key: str | None = None


class CortexServerSeed(_Part):
    name: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
    kind: Literal["bus", "rest"] = "bus"
    url: str | None = None
    api_key: str | None = None


class Seed(_Part):
    admin: Administrator | None = None
    organisation: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    org_admin: OrganisationAdmin | None = None
    cortex_servers: list[CortexServerSeed] = []
    templates: bool = True
    taxonomies: bool = True


def task(title: str, group: str, description: str, order: int) -> dict[str, Any]:
    return {"title": title, "group": group, "description": description, "order": order}


PHISHING = CaseTemplate(
    name="Phishing", display_name="Phishing", title_prefix="[Phishing]", severity=2, tlp="AMBER", pap="AMBER",
    description="A reported or detected phishing mail.", tags=["phishing"], custom_fields=[],
    tasks=[
        task("Analyse the mail", "Identification", "Headers, sender, links, attachments; add every indicator as observable.", 0),
        task("Find the recipients", "Identification", "Who got the mail, who opened it, who gave away credentials?", 1),
        task("Block the indicators", "Containment", "Sender, URLs, domains and hashes at mail gateway, proxy and endpoints.", 2),
        task("Reset exposed credentials", "Containment", "Passwords, sessions and tokens of everybody who entered data.", 3),
        task("Remove the mail from mailboxes", "Eradication", "Also from archives and mobile devices.", 4),
        task("Inform people", "Communication", "Recipients, help desk, management as far as needed.", 5),
    ],
)  # fmt: skip
MALWARE = CaseTemplate(
    name="Malware", display_name="Malware", title_prefix="[Malware]", severity=3, tlp="AMBER", pap="AMBER",
    description="Malicious code found on a system or in the traffic.", tags=["malware"], custom_fields=[],
    tasks=[
        task("Identify the malware", "Identification", "Family, version, command and control; add indicators as observables.", 0),
        task("Scope the infection", "Identification", "Which systems and accounts are concerned, since when?", 1),
        task("Isolate the systems", "Containment", "Network isolation; keep them running where memory is needed.", 2),
        task("Collect evidence", "Containment", "Memory, disk, logs; note who took what and when.", 3),
        task("Clean or rebuild", "Eradication", "Rebuild in doubt; close the way in.", 4),
        task("Watch for a return", "Recovery", "Detections for the indicators, for some weeks.", 5),
    ],
)  # fmt: skip


TEMPLATE_COLUMNS = (
    "name", "display_name", "title_prefix", "severity", "tlp", "pap", "description", "tags", "custom_fields", "tasks",
)  # fmt: skip


async def seed(session: AsyncSession, given: Seed, *, passwords: Passwords, secrets: SecretBox) -> None:
    """Everything an empty installation needs, plus what `given` names. Running it again changes only what is new."""
    now = now_ms()
    await _catalogues(session, now)
    await techniques.load(session)
    admin_org = await _organisation(session, ADMIN_ORGANISATION, "Administration of the platform", now)
    profiles = {row.name: row for row in await session.scalars(select(Profile))}
    admin = None
    if given.admin is not None:
        admin = await _user(session, given.admin.login, now)
        epoch = admin.credentials_epoch
        same = admin.password_hash is not None and await passwords.verify(
            login=admin.login, epoch=epoch, password=given.admin.password, hashed=admin.password_hash
        )
        if not same:
            admin.password_hash = await passwords.hash(given.admin.password)
            admin.credentials_epoch = epoch + 1
        await _membership(session, admin, admin_org, profiles["admin"], position=1)
    if given.organisation is not None:
        await _first_organisation(session, given, admin, profiles["org-admin"], now)
    for server in given.cortex_servers:
        await _cortex_server(session, server, secrets, now)
    await session.flush()


async def _catalogues(session: AsyncSession, now: int) -> None:
    for name, (kind, permissions) in BUILT_IN_PROFILES.items():
        profile = await session.scalar(select(Profile).where(Profile.name == name))
        wanted = sorted(str(one) for one in permissions)
        if profile is None:
            session.add(
                Profile(
                    name=name, kind=kind, permissions=wanted, editable=name == "analyst", created_at=now, created_by=SYSTEM_LOGIN
                )
            )
        elif not profile.editable and profile.permissions != wanted:
            profile.permissions = wanted
        await session.flush()
    for name in OBSERVABLE_TYPES:
        await session.execute(
            text(
                "INSERT INTO observable_types (name, is_attachment, is_case_sensitive, created_at, created_by)"
                " VALUES (:name, :file, :sensitive, :now, :login) ON CONFLICT DO NOTHING"
            ),
            {
                "name": name, "file": name == "file", "sensitive": name not in CASE_INSENSITIVE_TYPES, "now": now,
                "login": SYSTEM_LOGIN,
            },
        )  # fmt: skip


async def _organisation(session: AsyncSession, name: str, description: str, now: int) -> Organisation:
    found = await session.scalar(select(Organisation).where(func.lower(Organisation.name) == name.lower()))
    if found is None:
        found = Organisation(name=name, description=description, created_at=now, created_by=SYSTEM_LOGIN)
        session.add(found)
        await session.flush()
    return found


async def _user(session: AsyncSession, login: str, now: int) -> User:
    login = login.lower()
    found = await session.scalar(select(User).where(User.login == login))
    if found is None:
        found = User(login=login, name=login.partition("@")[0], created_at=now, created_by=SYSTEM_LOGIN, credentials_epoch=0)
        session.add(found)
        await session.flush()
    return found


async def _membership(session: AsyncSession, user: User, org: Organisation, profile: Profile, *, position: int) -> None:
    if await session.get(Membership, (user.id, org.id)) is None:
        session.add(Membership(user_id=user.id, org_id=org.id, profile_id=profile.id, position=position))
        await session.flush()


async def _first_organisation(session: AsyncSession, given: Seed, admin: User | None, profile: Profile, now: int) -> None:
    assert given.organisation is not None
    org = await _organisation(session, given.organisation, given.organisation, now)
    members = [admin] if admin is not None else []
    if given.org_admin is not None:
        holder = await _user(session, given.org_admin.login, now) if given.org_admin.login else admin
        if holder is not None:
            members.append(holder)
            if given.org_admin.api_key:
                await _key(session, holder, org, given.org_admin.api_key, now)
    for user in members:
        await _membership(session, user, org, profile, position=0)
        user.default_org_id = user.default_org_id or org.id
    if given.templates:
        await _templates(session, org, now)


async def _key(session: AsyncSession, user: User, org: Organisation, key: str, now: int) -> None:
    """The key a launcher knows: exactly one of that name, for that organisation."""
    rows = list(await session.scalars(select(ApiKey).where(ApiKey.user_id == user.id, ApiKey.name == SEEDED_KEY)))
    for row in rows:
        if row.hash != key_hash(key):
            await session.delete(row)
    if not any(row.hash == key_hash(key) for row in rows):
        session.add(
            ApiKey(
                user_id=user.id, org_id=org.id, name=SEEDED_KEY, prefix=key_prefix(key), hash=key_hash(key), created_at=now,
                created_by=SYSTEM_LOGIN,
            )
        )  # fmt: skip
    await session.flush()


async def _templates(session: AsyncSession, org: Organisation, now: int) -> None:
    for template in (PHISHING, MALWARE):
        found = await session.scalar(
            select(CaseTemplate.id).where(CaseTemplate.org_id == org.id, CaseTemplate.name == template.name)
        )
        if found is None:
            columns = {name: getattr(template, name) for name in TEMPLATE_COLUMNS}
            session.add(CaseTemplate(org_id=org.id, flag=False, created_at=now, created_by=SYSTEM_LOGIN, **columns))
            await session.flush()


async def _cortex_server(session: AsyncSession, server: CortexServerSeed, secrets: SecretBox, now: int) -> None:
    sealed = None
    if server.api_key is not None:
        sealed = secrets.seal(server.api_key.encode(), context=f"cortex_servers:{server.name}")
    await session.execute(
        text(
            "INSERT INTO cortex_servers (name, kind, url, sealed_key, created_at, created_by)"
            " VALUES (:name, :kind, :url, :key, :now, :login)"
            " ON CONFLICT (name) DO UPDATE SET kind = :kind, url = :url, sealed_key = :key, updated_at = :now,"
            " updated_by = :login, version = cortex_servers.version + 1"
            " WHERE (cortex_servers.kind, cortex_servers.url) IS DISTINCT FROM (:kind, :url) OR :key IS NOT NULL"
        ),
        {"name": server.name, "kind": server.kind, "url": server.url, "key": sealed, "now": now, "login": SYSTEM_LOGIN},
    )


def read(raw: bytes) -> Seed:
    return Seed.model_validate(orjson.loads(raw))
