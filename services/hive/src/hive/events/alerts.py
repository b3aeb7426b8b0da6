"""Alerts that a source raises over the bus: the same intake as every other way in, then the same alert again and again."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.feeding import Feed, Refreshed, refresh, remember
from hive.alerts.intake import AlertDraft, take_in
from hive.alerts.models import Alert
from hive.alerts.service import settle
from hive.attachments.files import StoredFile, media_type, plain_name
from hive.cases.lookup import find
from hive.catalogue import Catalogue
from hive.events.common import caller_for, message_of, once
from hive.identity.caller import Caller
from hive.markings import unique
from hive.misp.offers import offer
from hive.neighbours import fetch_file
from hive.observables.drafts import MAX_DATA, ObservableDraft, checked
from hive.platform import Hive
from hive.procedures.service import ProcedureDraft, recognised
from hive.tables import text_id
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.alerts import AlertRaised, AlertSourceGone, RaisedObservable
from waggle.contracts.messages.misp import MispReceiverUnknown
from waggle.db import Scope
from waggle.errors import NotFound
from waggle.ids import now_ms, uuid7
from waggle.messaging import Delivery, Poison
from waggle.messaging.outbox import enqueue

OTHER = "other"


async def on_alert(hive: Hive, delivery: Delivery) -> None:
    """The handler of queue hive.alerts."""
    kind = delivery.envelope.type
    if kind == AlertRaised.type:
        await _on_raised(hive, delivery)
    elif kind == AlertSourceGone.type:
        await _on_gone(hive, delivery)
    else:
        raise Poison(f"{kind} does not belong in this queue")


async def _on_raised(hive: Hive, delivery: Delivery) -> None:
    message = await message_of(hive, delivery, AlertRaised)
    caller = await _receiver(hive, delivery)
    catalogue = await hive.catalogues.current(types={one.data_type for one in message.observables})
    draft = await draft_of(hive, message, catalogue)
    async with once(hive, delivery, caller) as session:
        if session is None:
            return
        draft = replace(draft, procedures=await recognised(session, procedures_of(message)))
        feed = Feed(draft, frozenset(message.removed), message.complete)
        if message.case_id is not None:
            await _offer_on_own_export(session, caller, message, draft)
            return
        alert = await _stored(session, caller, draft)
        if alert is None:
            connection = await (await session.connection()).get_raw_connection()
            made = await take_in(hive.database, caller, [draft], connection=connection.driver_connection)
            alert = await _stored(session, caller, draft)
            if alert is None:
                raise Poison("the alert can neither be made nor found")
            if made[0] is not None:
                await remember(session, alert, draft)
                return
        news = await refresh(session, caller, alert, feed, catalogue)
        if news and alert.case_id is not None:
            case = await find(session, text_id(alert.case_id))
            await offer(session, caller, case, source=alert.source, alert=alert, news=news)


async def _offer_on_own_export(session: AsyncSession, caller: Caller, message: AlertRaised, draft: AlertDraft) -> None:
    """Others added to an event that a case was exported as: no alert, the case alone hears of it."""
    try:
        case = await find(session, message.case_id or "")
    except NotFound:
        return  # the case is gone, and with it whoever wanted to know
    await offer(session, caller, case, source=draft.source, alert=None, news=Refreshed(new=draft.observables))


async def _receiver(hive: Hive, delivery: Delivery) -> Caller:
    """As `caller_for`; an organisation that is not there is also told to the source, whose operator named it."""
    try:
        return await caller_for(hive, delivery.envelope)
    except Poison:
        named = delivery.envelope.organisation
        if named is not None and delivery.envelope.service == "misp-connector":
            unknown = MispReceiverUnknown(organisation=named)
            told = Envelope(
                id=uuid7(), type=unknown.type, source="hive", time=now_ms(), key=f"receiver:{named}",
                causation_id=delivery.envelope.id, data=unknown.model_dump(mode="json"),
            )  # fmt: skip
            async with hive.database.begin(Scope()) as session:
                await enqueue(session, [told])
            hive.wake()
        raise


def procedures_of(message: AlertRaised) -> list[ProcedureDraft]:
    return [
        ProcedureDraft(
            one.pattern_id, message.alert.date if one.occur_date is None else one.occur_date, one.tactic, one.description or None
        )
        for one in message.procedures
    ]  # fmt: skip


async def _stored(session: AsyncSession, caller: Caller, draft: AlertDraft) -> Alert | None:
    return await session.scalar(
        select(Alert)
        .where(
            Alert.org_id == caller.org_id, Alert.type == draft.type, Alert.source == draft.source,
            Alert.source_ref == draft.source_ref,
        )
        .with_for_update(of=Alert)
    )  # fmt: skip


async def draft_of(hive: Hive, message: AlertRaised, catalogue: Catalogue) -> AlertDraft:
    raised = message.alert
    observables = [await _observable(hive, one, message, catalogue) for one in message.observables]
    return AlertDraft(
        type=raised.type, source=raised.source, source_ref=raised.source_ref, title=raised.title[:512],
        description=raised.description, severity=raised.severity, date=raised.date, tlp=raised.tlp, pap=raised.pap,
        tags=unique([tag[:128] for tag in raised.tags if tag]), external_link=raised.external_link,
        case_template=raised.case_template, last_sync_date=raised.last_sync_date,
        observables=[one for one in observables if one is not None],
    )  # fmt: skip


async def _observable(hive: Hive, told: RaisedObservable, message: AlertRaised, catalogue: Catalogue) -> ObservableDraft | None:
    """One observable; a type we do not know becomes `other`, so that nothing of an event is lost."""
    kind = catalogue.types.get(told.data_type)
    tags = unique([tag[:128] for tag in told.tags if tag])
    data_type = told.data_type
    if kind is None or (kind.is_attachment and told.file is None) or (not kind.is_attachment and told.file is not None):
        data_type = OTHER if told.file is None else "file"
        tags = unique([*tags, f"type:{told.data_type}"[:128]])
    draft = ObservableDraft(
        data_type=data_type, data=told.data, tlp=told.tlp or message.alert.tlp, pap=message.alert.pap, ioc=told.ioc,
        sighted=told.sighted, tags=tags, message=told.message, first_seen=told.first_seen,
    )  # fmt: skip
    if told.origin is not None:
        said = {"message": draft.message, "tlp": draft.tlp, "ioc": draft.ioc, "tags": tags}
        draft.origin = {**told.origin, "told": said}
    if told.file is not None:
        blob = await fetch_file(hive, str(told.file.url), sha256=told.file.sha256, size=told.file.size)
        name = plain_name(told.file.name)
        content_type = media_type(told.file.content_type, name)
        file = StoredFile(name, content_type, blob.size, bytes.fromhex(blob.sha256), blob.sha1, blob.md5)
        draft = replace(draft, file=file)
    elif told.data is not None and len(told.data) > MAX_DATA:
        draft = replace(draft, data=told.data[:MAX_DATA], tags=unique([*tags, "cut"]))
    return checked(draft, catalogue, now=now_ms())


async def _on_gone(hive: Hive, delivery: Delivery) -> None:
    """Events that vanished at their source: their alerts are tagged, never deleted (an analyst may be working on them)."""
    message = await message_of(hive, delivery, AlertSourceGone)
    caller = await caller_for(hive, delivery.envelope)
    async with once(hive, delivery, caller) as session:
        if session is None:
            return
        for uuid in message.event_uuids:
            await _tag_gone(session, caller, message.instance, uuid)


async def _tag_gone(session: AsyncSession, caller: Caller, instance: str, uuid: UUID) -> None:
    found = await session.scalars(
        select(Alert)
        .where(Alert.org_id == caller.org_id, Alert.source == instance, Alert.source_ref == str(uuid))
        .with_for_update(of=Alert)
    )
    for alert in found:
        if "source:gone" not in alert.tags:
            alert.tags = [*alert.tags, "source:gone"]
            await settle(session, caller, alert, ["tags"])
