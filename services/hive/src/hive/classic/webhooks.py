"""Telling webhooks every change, in the words of TheHive 3 that their consumers compare (contracts hive-v0 §5.9).

How far an endpoint has been told is kept per organisation, so nothing is lost while it is away and the order holds: the next
change is sent when the one before it was taken, or was refused for good (an answer of 4xx is the consumer's last word).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import structlog
from sqlalchemy import text

from hive.acting import Acting
from hive.audit.history import BATCH, Change, Position, after, newest
from hive.classic import events
from hive.classic.notifications import PATH, wants
from hive.configuration import service as configuration
from hive.identity.caller import platform_caller
from hive.platform import AUDIT_CHANNEL, Hive
from hive.settings import Webhook
from hive.stream.service import position_of
from hive.tables import text_id
from waggle.security.outbound import guarded_client
from waggle.waiting import wait_at_most

log = structlog.get_logger()
LOOK_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
LONGEST_PAUSE = 600
# Only organisations that asked for something, unless the endpoint is told everything.
ORGANISATIONS = text(
    "SELECT o.id, o.name FROM organisations o WHERE NOT o.locked AND (:everything OR EXISTS"
    " (SELECT FROM configuration c WHERE c.org_id = o.id AND c.user_id IS NULL AND c.path = :path)) ORDER BY o.id"
)
ENTER = text(
    "INSERT INTO webhook_positions (endpoint, org_id, position) VALUES (:endpoint, :org, :position) ON CONFLICT DO NOTHING"
)
# Held while a batch is sent, so that of several processes one tells. An advisory lock and no row: a transaction that has written
# anything would hold back every stream, which read up to the oldest of those.
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('webhook ' || CAST(:endpoint AS text), CAST(:org AS bigint)))")
TAKE = text("SELECT position FROM webhook_positions WHERE endpoint = :endpoint AND org_id = :org AND next_at <= now()")
MOVE = text(
    "UPDATE webhook_positions SET position = :position, failures = 0, last_error = NULL"
    " WHERE endpoint = :endpoint AND org_id = :org"
)
PAUSE = text(
    "UPDATE webhook_positions SET position = :position, failures = failures + 1, last_error = :error,"
    " next_at = now() + make_interval(secs => least(:longest, power(2, least(failures, 20))))"
    " WHERE endpoint = :endpoint AND org_id = :org"
)


class Refused(Exception):
    """The endpoint cannot take a change now; it is sent again later."""


class Webhooks:
    """Tells all endpoints of the settings; one loop per process."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive
        self._news = asyncio.Event()
        hive.listener.on(AUDIT_CHANNEL, self._news.set)

    async def run(self) -> None:
        if not self._hive.settings.webhooks:
            return
        async with guarded_client(self._hive.outbound.trusting(), timeout=TIMEOUT_SECONDS) as client:
            while True:
                self._news.clear()
                for webhook in self._hive.settings.webhooks:
                    try:
                        await self.tell(client, webhook)
                    except Exception:
                        log.exception("webhook_failed", endpoint=webhook.name)
                await wait_at_most(self._news, LOOK_SECONDS)

    async def tell(self, client: httpx.AsyncClient, webhook: Webhook) -> None:
        """Everything an endpoint has not been told yet."""
        async with self._hive.database.system() as session:
            found = list(await session.execute(ORGANISATIONS, {"everything": webhook.everything, "path": PATH}))
        for row in found:
            if included(webhook, row.name):
                while await self._tell_organisation(client, webhook, row.id, row.name):
                    pass

    async def _tell_organisation(self, client: httpx.AsyncClient, webhook: Webhook, org_id: int, name: str) -> bool:
        """Sends one batch; whether there may be more."""
        acting = Acting(self._hive, platform_caller(org_id, name))
        key = {"endpoint": webhook.name, "org": org_id}
        async with self._hive.database.system() as session:
            await session.execute(ENTER, {**key, "position": str(await newest(session))})
        async with self._hive.database.system() as session:
            if not await session.scalar(LOCK, key):
                return False
            position = position_of(await session.scalar(TAKE, key))
            if position is None:
                return False
            return await self._send_batch(client, webhook, acting, position)

    async def _send_batch(self, client: httpx.AsyncClient, webhook: Webhook, acting: Acting, position: Position) -> bool:
        changes, records, wish, sent = await self._pending(acting, webhook, position)
        where = {"organisation": acting.caller.organisation, "organisationId": text_id(acting.caller.org_id)}
        error = None
        for change, record, body in zip(changes, records, sent, strict=True):
            try:
                if webhook.everything or wants(wish, webhook, record):
                    await send(client, webhook, {**body, **where})
            except (httpx.HTTPError, Refused) as failure:
                error = str(failure) or type(failure).__name__
                log.warning("webhook_away", endpoint=webhook.name, error=error)
                break
            position = change.position
        if not changes:
            return False
        values = {"endpoint": webhook.name, "org": acting.caller.org_id, "position": str(position)}
        async with self._hive.database.system() as session:
            if error is None:
                await session.execute(MOVE, values)
            else:
                await session.execute(PAUSE, {**values, "error": error[:500], "longest": LONGEST_PAUSE})
        return error is None and len(changes) == BATCH

    async def _pending(
        self, acting: Acting, webhook: Webhook, position: Position
    ) -> tuple[list[Change], list[dict[str, Any]], Any, list[dict[str, Any]]]:
        """The changes, as triggers look at them, the organisation's notifications, and what is sent."""
        async with acting.read() as session:
            changes = await after(session, acting.caller, position)
            records = await events.told(session, acting, changes)
            wish = await configuration.read(session, acting.caller, PATH, personal=False)
            sent = await events.natively_told(session, acting, changes) if webhook.version == 1 else _with_route(records)
            return changes, records, wish, sent


def _with_route(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """With what readers of TheHive 3 look for in the object, where there is one."""
    added = [
        {"_version": one["object"].get("version", 1), "_parent": one["rootId"], "_routing": one["rootId"]}
        if one["object"]
        else {}
        for one in records
    ]
    return [{**one, "object": {**one["object"], **more}} for one, more in zip(records, added, strict=True)]


def included(webhook: Webhook, organisation: str) -> bool:
    named = "*" in webhook.included or organisation in webhook.included
    return named and organisation not in webhook.excluded


async def send(client: httpx.AsyncClient, webhook: Webhook, record: Mapping[str, Any]) -> None:
    """Posts one change. Raises Refused or httpx.HTTPError where another try may help."""
    auth = httpx.Auth()
    headers = {}
    if webhook.auth.type == "basic":
        auth = httpx.BasicAuth(webhook.auth.username, webhook.auth.password.get_secret_value())
    elif webhook.auth.type in ("bearer", "key"):
        word = "Bearer" if webhook.auth.type == "bearer" else "Key"
        headers["Authorization"] = f"{word} {webhook.auth.key.get_secret_value()}"
    answer = await client.post(webhook.url, json=dict(record), auth=auth, headers=headers)
    if answer.status_code >= 500 or answer.status_code == 429:
        raise Refused(f"it answers {answer.status_code}")
    if answer.status_code >= 400:
        log.warning("webhook_refused", endpoint=webhook.name, status=answer.status_code)
