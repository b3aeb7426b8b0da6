"""What the operator sees of hive's messages. Messages are of all organisations: what they hold is the platform's to look at."""

from __future__ import annotations

from hive.acting import require
from hive.events.consumers import QUEUES
from hive.identity.permissions import Permission
from hive.platform import Hive
from waggle.messaging import Bus
from waggle.messaging.keeper import QueueKeeper
from waggle.web.queues import queue_router

router = queue_router("/api/v1/admin", read=require(Permission.CONFIG), manage=require(Permission.PLATFORM))


def keeper(hive: Hive, bus: Bus | None) -> QueueKeeper:
    return QueueKeeper(hive.database, bus, QUEUES)
