"""What the operator sees of the connector's messages."""

from __future__ import annotations

from misp_connector.access.guards import require
from misp_connector.access.service import Right
from misp_connector.runtime import Runtime
from waggle.messaging.keeper import QueueKeeper
from waggle.messaging.rights import MISP_COMMANDS
from waggle.web.queues import queue_router

router = queue_router("/api", read=require(Right.READ), manage=require(Right.MANAGE))


def keeper(runtime: Runtime) -> QueueKeeper:
    return QueueKeeper(runtime.database, runtime.bus, [MISP_COMMANDS])
