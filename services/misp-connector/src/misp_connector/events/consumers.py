"""What others ask of the connector over the bus: the queue `misp.commands`. Thin: one service call per message."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from misp_connector.exporting.exporter import CHANNEL as EXPORTS
from misp_connector.exporting.service import keep_up_to_date, take_request
from misp_connector.instances import service
from misp_connector.polling.poller import CHANNEL
from waggle.contracts.messages.cases import CaseIocsChanged
from waggle.contracts.messages.misp import CaseExportRequested, MispPollRequested, MispReceiverUnknown
from waggle.db import Database, Scope
from waggle.db.notify import Notifier
from waggle.errors import WaggleError
from waggle.messaging import Delivery, Poison
from waggle.messaging.inbox import first_time

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Commands:
    """The handler of `misp.commands`."""

    database: Database
    notifier: Notifier

    async def __call__(self, delivery: Delivery) -> None:
        message = delivery.message
        async with self.database.begin(Scope(request_id=delivery.envelope.request_id)) as session:
            if not await first_time(session, delivery.queue, delivery.envelope.id):
                return
            if isinstance(message, MispPollRequested):
                try:
                    await service.request_poll(
                        session,
                        name=message.instance,
                        since=message.since,
                        actor=delivery.envelope.actor or delivery.envelope.source,
                    )
                except WaggleError as error:
                    raise Poison(error.message) from None
            elif isinstance(message, CaseExportRequested):
                await take_request(session, envelope=delivery.envelope, message=message)
            elif isinstance(message, CaseIocsChanged):
                await keep_up_to_date(session, envelope=delivery.envelope, message=message)
            elif isinstance(message, MispReceiverUnknown):
                await service.note_unknown_receiver(session, organisation=message.organisation)
            else:
                raise Poison(f"this version does not handle {delivery.envelope.type}")
        self.notifier.wake(CHANNEL)
        self.notifier.wake(EXPORTS)
        self.notifier.wake("outbox")
