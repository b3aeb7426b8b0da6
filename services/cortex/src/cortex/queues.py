"""What the operator sees of cortex' messages. They are of all organisations: what they hold is the superadmin's to look at."""

from __future__ import annotations

from cortex.access import require
from cortex.engine import Engine
from waggle.messaging import Bus
from waggle.messaging.keeper import QueueKeeper
from waggle.messaging.rights import cortex_analysis
from waggle.web.queues import queue_router

router = queue_router("/api/admin", read=require("superadmin", "orgadmin"), manage=require("superadmin"))


def keeper(engine: Engine, bus: Bus | None) -> QueueKeeper:
    return QueueKeeper(engine.database, bus, [cortex_analysis(engine.settings.instance)])
