"""Which event a case goes into (contract misp §4.3, step 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from misp_connector.exporting.records import Export
from misp_connector.exporting.server import ExportServer
from misp_connector.instances.model import Instance
from misp_connector.polling.threads import in_thread
from waggle.contracts.messages.misp import ExportedCase

Strategy = Literal["create", "edit", "extend"]


@dataclass(frozen=True, slots=True)
class Target:
    uuid: str
    strategy: Strategy
    extends: str | None = None


async def choose(server: ExportServer, *, export: Export, case: ExportedCase, instance: Instance) -> Target:
    """Where it went before, if it did. Else an event the case came from: updated where the server lets us, extended where not.

    Else an event of the case's own, whose uuid is the same on every server and at every try.
    """
    own = str(case.event_uuid)
    if export.event_uuid == own:
        return Target(own, "extend" if export.strategy == "extend" else "create", extends=None)
    wanted = instance.options.export_strategy
    if wanted == "new":
        return Target(own, "create")
    sources = sorted(case.sources, key=lambda one: one.instance.casefold() != instance.name.casefold())
    for source in sources:
        found = await in_thread(server.edit_strategy, str(source.event))
        if found is None:
            continue
        if found == "edit" and wanted == "update":
            return Target(str(source.event), "edit")
        return Target(own, "extend", extends=str(source.event))
    return Target(own, "create")
