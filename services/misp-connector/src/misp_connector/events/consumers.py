"""What others ask of the connector over the bus: the queue `misp.commands`. Thin: one service call per message."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid5

import structlog

from misp_connector.instances import service
from misp_connector.polling.poller import CHANNEL
from misp_connector.publishing.alert_raised import NAMESPACE
from misp_connector.publishing.envelopes import envelope_of
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.misp import CaseExportFailed, CaseExportRequested, MispPollRequested
from waggle.db import Database, Scope
from waggle.db.notify import Notifier
from waggle.errors import WaggleError
from waggle.messaging import Delivery, Poison
from waggle.messaging.inbox import first_time
from waggle.messaging.outbox import enqueue

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
                await enqueue(session, [_refused(delivery, message)])
            else:
                raise Poison(f"this version does not handle {delivery.envelope.type}")
        self.notifier.wake(CHANNEL)
        self.notifier.wake("outbox")


def _refused(delivery: Delivery, message: CaseExportRequested) -> Envelope:
    """This version imports only: whoever asks for an export is told so, at once and for good."""
    answer = CaseExportFailed(
        case_id=message.case_id,
        instance=message.instance,
        error="this version of the connector does not export cases",
        retryable=False,
    )
    return envelope_of(
        answer,
        id=uuid5(NAMESPACE, f"export failed:{delivery.envelope.id}"),
        key=delivery.envelope.key,
        organisation=delivery.envelope.organisation,
        causation_id=delivery.envelope.id,
    )
