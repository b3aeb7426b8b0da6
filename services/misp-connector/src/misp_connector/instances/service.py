"""The rules of instances: who may change what, how keys are kept, what a change sets in motion."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.audit.service import record
from misp_connector.instances import queries
from misp_connector.instances.announce import announce, announce_removed
from misp_connector.instances.config import (
    InstanceChange,
    InstanceInput,
    Kind,
    Options,
    folder_allowed,
    folder_of,
    is_web_address,
    normal_url,
)
from misp_connector.instances.model import Instance, State, instance_of, state_of
from waggle.errors import BadRequest, CreateError, InvalidFields, NotFound, VersionConflict
from waggle.ids import now_ms
from waggle.security.outbound import OutboundGuard
from waggle.security.secretbox import SealBroken, SecretBox

FILTERS = frozenset({"include_orgs", "exclude_orgs", "include_tags", "exclude_tags", "max_age", "max_attributes", "max_size"})
CHANGEABLE = ("url", "key_sealed", "options", "enabled", "purpose", "managed", "trusted")
OPERATORS_OPTIONS = ("ca_file", "client_cert")
"""Name files of this machine, so they can be set in the operator's settings file alone."""


async def list_instances(session: AsyncSession) -> list[tuple[Instance, State]]:
    rows = (await session.execute(queries.ALL)).all()
    return [(instance_of(row._mapping), state_of(row._mapping)) for row in rows]


async def get_instance(session: AsyncSession, *, name: str) -> tuple[Instance, State]:
    """Raises NotFound."""
    row = await _row(session, name=name)
    return instance_of(row._mapping), state_of(row._mapping)


async def instance_by_id(session: AsyncSession, *, instance_id: int) -> Instance:
    return instance_of((await session.execute(queries.BY_ID, {"id": instance_id})).one()._mapping)


async def note_unknown_receiver(session: AsyncSession, *, organisation: str) -> None:
    """Shown with every instance that names it, until its receivers are set anew or it is polled by hand."""
    await session.execute(queries.UNKNOWN_RECEIVER, {"organisation": organisation, "now": now_ms()})
    for instance, state in await list_instances(session):
        if state.unknown_organisations:
            await announce(session, instance_id=instance.id)


async def forget_unknown_receivers(session: AsyncSession) -> None:
    """The next alert tells whether hive has them by now."""
    await session.execute(queries.KNOWN_RECEIVERS)


async def check_target(*, url: str, kind: Kind, guard: OutboundGuard, folders: Sequence[Path]) -> None:
    """Whether a target may be set over REST: a web address that the guard lets pass (the name is looked up), or a feed

    in a folder below those the operator gave free.
    """
    if is_web_address(url):
        await asyncio.to_thread(guard.check_url, url)
    elif kind != "feed" or not folder_allowed(url, folders):
        what = "; folders of feeds must lie below MISP_CONNECTOR_FEED_FOLDERS" if kind == "feed" else ""
        raise InvalidFields.invalid("url", f"it must start with http:// or https://{what}")


async def create_instance(
    session: AsyncSession, *, data: InstanceInput, secrets: SecretBox, actor: str, managed: str = "api", trusted: bool = False
) -> int:
    """Its id. Raises CreateError for a name that is taken. Call `check_target` first, unless the operator is `trusted`."""
    if not trusted:
        _refuse_operators_options(data.options)
    created = await session.execute(
        queries.INSERT,
        {
            "name": data.name,
            "kind": data.kind,
            "url": _stored_url(data.url),
            "key_sealed": _seal(secrets, data.name, data.key),
            "options": _stored_options(data.options),
            "enabled": data.enabled,
            "purpose": data.purpose,
            "managed": managed,
            "trusted": trusted,
            "now": now_ms(),
            "actor": actor,
        },
    )
    instance_id = created.scalar()
    if instance_id is None:
        raise CreateError(f"an instance named {data.name} exists already")
    await session.execute(queries.INSERT_STATE, {"id": instance_id, "delay": data.options.initial_delay})
    details = {"name": data.name, "kind": data.kind, "url": _stored_url(data.url), "managed": managed}
    await record(session, action="create", kind="instance", object_id=data.name, actor=actor, details=details)
    await announce(session, instance_id=instance_id)
    return int(instance_id)


async def change_instance(
    session: AsyncSession, *, name: str, change: InstanceChange, secrets: SecretBox, actor: str, version: int | None = None
) -> None:
    """Raises NotFound, BadRequest for an instance of the settings file, VersionConflict when it is not at `version`."""
    instance = instance_of((await _row(session, name=name, locked=True))._mapping)
    if instance.managed == "file":
        raise BadRequest(f"{instance.name} is defined in the settings file; change it there")
    if version is not None and version != instance.version:
        raise VersionConflict("the instance was changed meanwhile", current={"version": instance.version})
    options = _changed_options(instance.options, change.options)
    if instance.kind == "feed" and (change.key is not None or change.purpose == "ExportOnly"):
        raise BadRequest("a feed has no key and can only be imported")
    if change.url is not None and change.key is None and _host(change.url) != _host(instance.url) and instance.key_sealed:
        raise InvalidFields.missing("key")  # the stored key must not travel to another host
    url = _stored_url(change.url) if change.url is not None else instance.url
    wanted = replace(
        instance,
        url=url,
        enabled=instance.enabled if change.enabled is None else change.enabled,
        purpose=change.purpose or instance.purpose,
        options=options,
        key_sealed=_seal(secrets, instance.name, change.key) or instance.key_sealed,
        # an address set over REST is no longer the operator's
        trusted=instance.trusted and url == instance.url,
    )
    await _update(session, before=instance, wanted=wanted, actor=actor)


async def delete_instance(session: AsyncSession, *, name: str, actor: str) -> None:
    """With everything known of its events. The alerts stay with hive."""
    row = await _row(session, name=name, locked=True)
    instance = instance_of(row._mapping)
    if instance.managed == "file":
        raise BadRequest(f"{instance.name} is defined in the settings file; remove it there")
    await announce_removed(session, row=row)
    await session.execute(queries.DELETE, {"id": instance.id})
    await record(session, action="delete", kind="instance", object_id=instance.name, actor=actor, details={"url": instance.url})


async def apply_operators_instance(
    session: AsyncSession, *, data: InstanceInput, secrets: SecretBox, managed: str, actor: str
) -> None:
    """Makes an instance what the operator's file or seed says. Doing it again changes nothing."""
    rows = (await session.execute(queries.BY_NAME_LOCKED, {"name": data.name})).all()
    if not rows:
        await create_instance(session, data=data, secrets=secrets, actor=actor, managed=managed, trusted=True)
        return
    instance = instance_of(rows[0]._mapping)
    if instance.kind != data.kind:
        raise BadRequest(f"{data.name} exists as a {instance.kind}; delete it before making it a {data.kind}")
    stored_key = _opened(secrets, instance)
    given_key = data.key.get_secret_value() if data.key else None
    wanted = replace(
        instance,
        url=_stored_url(data.url),
        options=data.options,
        enabled=data.enabled,
        purpose=data.purpose,
        managed=managed,
        trusted=True,
        key_sealed=instance.key_sealed if stored_key == given_key else _seal(secrets, instance.name, data.key),
    )
    await _update(session, before=instance, wanted=wanted, actor=actor)


async def apply_settings_file(
    session: AsyncSession, *, entries: list[InstanceInput], secrets: SecretBox, actor: str = "settings file"
) -> None:
    """Makes the instances what the file says. One that is no longer in the file is disabled, and its state kept."""
    for data in entries:
        await apply_operators_instance(session, data=data, secrets=secrets, managed="file", actor=actor)
    named = {data.name.lower() for data in entries}
    for instance, _ in await list_instances(session):
        if instance.managed == "file" and instance.enabled and instance.name.lower() not in named:
            # whoever is at the API may delete it, or take it over
            await _update(session, before=instance, wanted=replace(instance, enabled=False, managed="api"), actor=actor)


async def request_poll(session: AsyncSession, *, name: str | None, since: int | None, actor: str) -> list[str]:
    """Has an instance, or all of them, polled at once; the names. `since` (ms): what was published from then on is read

    and sent again, even where it did not change. Raises NotFound, BadRequest for one that does not import.
    """
    if name is not None:
        chosen = [(await get_instance(session, name=name))[0]]
        if not chosen[0].imports:
            raise BadRequest(f"{chosen[0].name} is disabled or only exports")
    else:
        chosen = [instance for instance, _ in await list_instances(session) if instance.imports]
    await forget_unknown_receivers(session)
    for instance in chosen:
        if since is None:
            await session.execute(queries.POLL_SOON, {"id": instance.id})
            continue
        values = {"id": instance.id, "since": since // 1000}
        await session.execute(queries.READ_AGAIN, values)
        await session.execute(queries.MOVE_CURSOR_BACK, values)
        await session.execute(queries.POLL_NOW, {"id": instance.id})
        details = {"read_again_since": since}
        await record(session, action="update", kind="instance", object_id=instance.name, actor=actor, details=details)
    return [instance.name for instance in chosen]


async def _row(session: AsyncSession, *, name: str, locked: bool = False) -> Row[tuple[object, ...]]:
    found = await session.execute(queries.BY_NAME_LOCKED if locked else queries.BY_NAME, {"name": name})
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"there is no instance {name}")
    return row


async def _update(session: AsyncSession, *, before: Instance, wanted: Instance, actor: str) -> None:
    """Writes what differs, with its audit row and the news for hive; nothing when nothing differs."""
    changed = [name for name in CHANGEABLE if getattr(wanted, name) != getattr(before, name)]
    if not changed:
        return
    values = {name: getattr(wanted, name) for name in CHANGEABLE}
    values["options"] = _stored_options(wanted.options)
    await session.execute(queries.UPDATE, {**values, "id": before.id, "now": now_ms(), "actor": actor})
    if wanted.options.organisations != before.options.organisations:
        await forget_unknown_receivers(session)
    if any(getattr(wanted.options, name) != getattr(before.options, name) for name in FILTERS):
        await session.execute(queries.FILTER_AGAIN, {"id": before.id})
        await session.execute(queries.MOVE_CURSOR_BACK, {"id": before.id, "since": 0})
    await session.execute(queries.POLL_NOW, {"id": before.id})
    shown = {**values, "options": wanted.options.model_dump(mode="json", exclude_unset=True), "key_sealed": "changed"}
    details = {name: shown[name] for name in changed}
    await record(session, action="update", kind="instance", object_id=before.name, actor=actor, details=details)
    await announce(session, instance_id=before.id)


def _changed_options(options: Options, change: dict[str, Any] | None) -> Options:
    if not change:
        return options
    values = {**options.model_dump(exclude_unset=True), **change}
    try:
        wanted = Options.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        entries = [(".".join(("options", *map(str, e["loc"]))), e) for e in error.errors()]
        raise InvalidFields(
            [
                {
                    "type": "UnknownAttributeError" if e["type"] == "extra_forbidden" else "InvalidFormatAttributeError",
                    "name": name,
                    "message": f"{name}: {e['msg']}",
                }
                for name, e in entries
            ]
        ) from None
    if any(name in change for name in OPERATORS_OPTIONS):
        _refuse_operators_options(wanted)
    return wanted


def _refuse_operators_options(options: Options) -> None:
    for name in OPERATORS_OPTIONS:
        if getattr(options, name) is not None:
            raise InvalidFields.invalid(f"options.{name}", "it can be set in the settings file alone")


def _stored_options(options: Options) -> str:
    """Only what was set, so that a later default applies to what was not."""
    return options.model_dump_json(exclude_unset=True)


def _stored_url(url: str) -> str:
    return normal_url(url) if is_web_address(url) else str(folder_of(url))


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _opened(secrets: SecretBox, instance: Instance) -> str | None:
    """The key in clear; None when there is none, or none that this installation's secret keys open."""
    if instance.key_sealed is None:
        return None
    try:
        return secrets.open(instance.key_sealed, context=instance.seal_context).decode()
    except SealBroken:
        return None


def _seal(secrets: SecretBox, name: str, key: SecretStr | None) -> bytes | None:
    return secrets.seal(key.get_secret_value().encode(), context=f"instances:{name}") if key else None
