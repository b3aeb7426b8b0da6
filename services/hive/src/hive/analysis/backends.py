"""Ways to a Cortex: by messages to one of ours, or over the REST API of any other. Both behind one protocol.

A backend works in the transaction that makes the run, so a run without its request (or the other way round) cannot exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from pydantic import AnyUrl
from sqlalchemy.ext.asyncio import AsyncSession

from hive import claims
from hive.analysis.models import Run
from hive.analysis.subjects import Subject
from hive.attachments.files import keep
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.platform import Hive
from hive.tables import text_id
from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.analysis import AnalysisRequested
from waggle.contracts.messages.base import FileRef

INLINE_DATA = 128 * 1024


class AnalysisBackend(Protocol):
    async def submit(self, session: AsyncSession, caller: Caller, run: Run, subject: Subject) -> None:
        """Sees to it that the worker is run on the subject."""
        ...


Backends = Mapping[str, AnalysisBackend]


class BusBackend:
    """A cortex instance of this installation: `analysis.requested.v1` to the instance of the server's name."""

    def __init__(self, hive: Hive) -> None:
        self._hive = hive

    async def submit(self, session: AsyncSession, caller: Caller, run: Run, subject: Subject) -> None:
        parameters = run.parameters
        if subject.kind == "responder":
            parameters = {**parameters, "organisation": caller.organisation, "user": caller.login}
        request = AnalysisRequested(
            job_id=text_id(run.id), kind=subject.kind, worker_id=run.worker_id, name=run.worker_name,
            data_type=subject.data_type, data=subject.data, file=await self._file(session, subject), tlp=subject.tlp,
            pap=subject.pap, message=subject.message, label=subject.label, parameters=parameters,
        )  # fmt: skip
        reference = None
        if len(subject.data or "") > INLINE_DATA // 4:  # at most four bytes per character
            reference = await self._reference(session, request.model_dump_json(by_alias=True, exclude_none=True).encode())
        await tell(session, caller, request, key=f"job:{text_id(run.id)}", target=run.server, data_ref=reference)

    async def _file(self, session: AsyncSession, subject: Subject) -> FileRef | None:
        file = subject.file
        if file is None:
            return None
        await claims.allow(session, service="cortex", sha256=file.sha256, content_type=file.content_type)
        url = f"{self._hive.settings.claims_url}/{file.sha256.hex()}"
        return FileRef(name=file.name, content_type=file.content_type, sha256=file.sha256.hex(), size=file.size, url=AnyUrl(url))

    async def _reference(self, session: AsyncSession, body: bytes) -> DataRef | None:
        """Where cortex fetches a request that is too long for a message."""
        if len(body) <= INLINE_DATA:
            return None
        blob = await keep(self._hive.blobs, self._hive.database, body)
        await claims.allow(session, service="cortex", sha256=bytes.fromhex(blob.sha256), content_type="application/json")
        url = f"{self._hive.settings.claims_url}/{blob.sha256}"
        return DataRef(sha256=blob.sha256, size=blob.size, url=AnyUrl(url))


class RestBackend:
    """A Cortex elsewhere: the run is due at once and the poller does the calls, outside of any transaction."""

    async def submit(self, session: AsyncSession, caller: Caller, run: Run, subject: Subject) -> None:
        run.next_poll_at = datetime.now(UTC)
        await session.flush()


def backends(hive: Hive) -> Backends:
    return {"bus": BusBackend(hive), "rest": RestBackend()}
