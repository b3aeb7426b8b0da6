"""Requests to export, taken or refused: the rules that need no MISP."""

from __future__ import annotations

from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.exporting import records
from misp_connector.instances.model import Instance
from misp_connector.instances.service import get_instance
from misp_connector.publishing.alert_raised import NAMESPACE
from misp_connector.publishing.envelopes import envelope_of
from misp_connector.receivers.service import default_receivers
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.cases import CaseIocsChanged
from waggle.contracts.messages.misp import CaseExportFailed, CaseExportRequested
from waggle.errors import NotFound
from waggle.messaging.outbox import enqueue


async def take_request(session: AsyncSession, *, envelope: Envelope, message: CaseExportRequested) -> bool:
    """Whether the export will be done. A request that cannot be is answered at once, and for good."""
    organisation = envelope.organisation or ""
    try:
        instance, _ = await get_instance(session, name=message.instance)
    except NotFound as error:
        await refuse(session, envelope=envelope, message=message, error=error.message)
        return False
    reason = await reason_to_refuse(session, instance=instance, organisation=organisation)
    if reason is not None:
        await refuse(session, envelope=envelope, message=message, error=reason)
        return False
    await records.request(
        session,
        instance_id=instance.id,
        organisation=organisation,
        case_id=message.case_id,
        case_ref=message.case_ref,
        publish=message.publish,
        message_id=envelope.id,
        at=envelope.time,
        by=envelope.actor,
    )
    return True


async def keep_up_to_date(session: AsyncSession, *, envelope: Envelope, message: CaseIocsChanged) -> None:
    """Asks for the export again wherever the instance is set so; elsewhere a person does."""
    for name in message.instances:
        try:
            instance, _ = await get_instance(session, name=name)
        except NotFound:
            continue  # the instance was deleted since
        if instance.options.export_auto:
            again = CaseExportRequested(case_id=message.case_id, instance=name, case_ref=message.case_ref)
            await take_request(session, envelope=envelope, message=again)


async def reason_to_refuse(session: AsyncSession, *, instance: Instance, organisation: str) -> str | None:
    """Why nothing may be exported there; None when it may."""
    if not instance.enabled:
        return f"{instance.name} is disabled"
    if instance.kind == "feed":
        return f"{instance.name} is a feed, which can only be imported"
    if instance.purpose == "ImportOnly":
        return f"{instance.name} only imports"
    allowed = instance.options.organisations or await default_receivers(session)
    if organisation.casefold() not in {name.casefold() for name in allowed}:
        return f"{organisation or 'nobody'} is no organisation of {instance.name}"
    return None


async def refuse(session: AsyncSession, *, envelope: Envelope, message: CaseExportRequested, error: str) -> None:
    answer = CaseExportFailed(case_id=message.case_id, instance=message.instance, error=error, retryable=False)
    await enqueue(session, [failure(answer, organisation=envelope.organisation, cause=envelope.id, attempt=0)])


def failure(answer: CaseExportFailed, *, organisation: str | None, cause: UUID, attempt: int) -> Envelope:
    return envelope_of(
        answer,
        id=uuid5(NAMESPACE, f"export failed:{cause}:{attempt}"),
        key=f"export:{answer.case_id}:{answer.instance}",
        organisation=organisation,
        causation_id=cause,
    )
