"""Checked alerts of a request, stored in statements of at most BATCH_LIMIT: each on its own, or all in one transaction where the
request carries an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Sequence

from hive.acting import Acting
from hive.alerts.intake import BATCH_LIMIT, AlertDraft, take_in
from hive.alerts.models import Alert


async def receive(acting: Acting, drafts: Sequence[AlertDraft]) -> list[Alert | None]:
    """One answer per draft, None where its triple exists already."""
    database, caller = acting.hive.database, acting.caller
    chunks = [drafts[start : start + BATCH_LIMIT] for start in range(0, len(drafts), BATCH_LIMIT)]
    made: list[Alert | None] = []
    if acting.once is None:
        for chunk in chunks:
            made += await take_in(database, caller, chunk)
        acting.hive.wake()
        return made
    async with acting.begin() as session:
        connection = await (await session.connection()).get_raw_connection()
        for chunk in chunks:
            made += await take_in(database, caller, chunk, connection=connection.driver_connection)
    return made
