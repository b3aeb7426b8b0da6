"""News from the connector: exports that ended, and how its instances are."""

from __future__ import annotations

from hive.cases.lookup import find
from hive.events.common import caller_for, message_of, once
from hive.misp.service import finish_export, note_instance
from hive.platform import Hive
from waggle.contracts.messages.misp import CaseExported, CaseExportFailed, MispInstanceChanged
from waggle.errors import NotFound
from waggle.messaging import Delivery, Poison
from waggle.messaging.inbox import first_time


async def on_misp(hive: Hive, delivery: Delivery) -> None:
    """The handler of queue hive.misp."""
    kind = delivery.envelope.type
    if kind == MispInstanceChanged.type:
        await _on_instance(hive, delivery)
    elif kind == CaseExported.type:
        done = await message_of(hive, delivery, CaseExported)
        rejected = any(one.result == "rejected" for one in done.results)
        state = "partial" if rejected or done.held else "done"
        await _on_export(hive, delivery, done, state=state, event_id=done.event_id)
    elif kind == CaseExportFailed.type:
        failed = await message_of(hive, delivery, CaseExportFailed)
        await _on_export(hive, delivery, failed, state="failed", event_id=None)
    else:
        raise Poison(f"{kind} does not belong in this queue")


async def _on_export(
    hive: Hive, delivery: Delivery, message: CaseExported | CaseExportFailed, *, state: str, event_id: str | None
) -> None:
    caller = await caller_for(hive, delivery.envelope)
    async with once(hive, delivery, caller) as session:
        if session is None:
            return
        try:
            case = await find(session, message.case_id)
        except NotFound:
            raise Poison(f"there is no case {message.case_id} in {caller.organisation}") from None
        result = message.model_dump(mode="json", exclude={"case_id", "instance"})
        await finish_export(
            session, caller, case_id=case.id, instance=message.instance, state=state, event_id=event_id, result=result
        )


async def _on_instance(hive: Hive, delivery: Delivery) -> None:
    message = await message_of(hive, delivery, MispInstanceChanged)
    async with hive.database.system() as session:
        if await first_time(session, delivery.queue, delivery.envelope.id):
            await note_instance(session, {**message.model_dump(), "told": delivery.envelope.time})
