"""Messages between the services: one bus with two carriers, an outbox before it and an inbox behind it."""

from __future__ import annotations

from waggle.messaging.bus import (
    Bus,
    BusError,
    BusUnavailable,
    DeadLetter,
    Delivery,
    Handler,
    Poison,
    Queue,
    QueueDepth,
    Refused,
    Retry,
    TooBig,
    Unroutable,
    Unsendable,
)
from waggle.messaging.settings import BusSettings
from waggle.messaging.signing import Forged, Keyring, Sender, Signer


def make_bus(settings: BusSettings) -> Bus:
    """The bus the settings name. Only the chosen carrier's library is loaded."""
    if settings.amqp_url:
        from waggle.messaging.rabbit import RabbitBus

        return RabbitBus(settings.amqp_url.get_secret_value(), signer=settings.signer(), keyring=settings.keyring())
    if settings.database_url:
        from waggle.messaging.postgres import PostgresBus

        return PostgresBus(settings.database_url.get_secret_value(), signer=settings.signer(), keyring=settings.keyring())
    raise ValueError("neither WAGGLE_AMQP_URL nor BUS_DATABASE_URL is set: the service has no bus")


__all__ = [
    "Bus",
    "BusError",
    "BusSettings",
    "BusUnavailable",
    "DeadLetter",
    "Delivery",
    "Forged",
    "Handler",
    "Keyring",
    "Poison",
    "Queue",
    "QueueDepth",
    "Refused",
    "Retry",
    "Sender",
    "Signer",
    "TooBig",
    "Unroutable",
    "Unsendable",
    "make_bus",
]
