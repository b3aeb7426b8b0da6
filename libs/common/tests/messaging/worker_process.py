"""A consumer or a relay in a process of its own. Its settings come as JSON in WORKER; what happened goes to stdout."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from typing import Any

from waggle.contracts.envelope import Envelope
from waggle.db import Database
from waggle.messaging import Bus, Delivery, Keyring, Queue, Sender, Signer
from waggle.messaging.outbox import Relay

SETTINGS = json.loads(os.environ["WORKER"])


def make() -> Bus:
    signer = Signer(SETTINGS["signing_key"])
    keyring = Keyring({name: Sender((key,)) for name, key in SETTINGS["senders"].items()})
    if SETTINGS["carrier"] == "postgres":
        from waggle.messaging.postgres import PostgresBus

        return PostgresBus(SETTINGS["url"], signer=signer, keyring=keyring, lease=SETTINGS["lease"])
    from waggle.messaging.rabbit import RabbitBus

    return RabbitBus(SETTINGS["url"], signer=signer, keyring=keyring, ladder=SETTINGS["ladder"])


async def hang(delivery: Delivery) -> None:
    print(delivery.envelope.id, delivery.attempt, flush=True)
    await asyncio.sleep(3600)


class DiesAfterPublish:
    """A bus whose process is killed between the broker's confirm and the relay's delete."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        await self._bus.publish(envelopes)
        print("published", len(envelopes), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    bus = make()
    await bus.start()
    if SETTINGS["role"] == "consumer":
        await bus.subscribe(Queue(SETTINGS["queue"], tuple(SETTINGS["patterns"])), hang)
        await asyncio.sleep(3600)
    else:
        db = Database(SETTINGS["app_url"], SETTINGS["system_url"], application_name="test")
        await Relay(db, DiesAfterPublish(bus)).run()


asyncio.run(main())
