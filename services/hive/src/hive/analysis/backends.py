"""Ways to a Cortex: by messages to one of ours, or over the REST API of any other. Both behind one protocol.

A backend works in the transaction that makes the job, so a job without its request (or the other way round) cannot exist.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from hive import claims
from hive.analysis.models import Job
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.tables import text_id
from waggle.contracts.messages.analysis import AnalysisRequested
from waggle.contracts.messages.base import FileRef


class AnalysisBackend(Protocol):
    async def submit(self, session: AsyncSession, caller: Caller, job: Job, observable: Observable, *, message: str) -> None:
        """Sees to it that the job is run. `message` is what the analyzer is told beside the observable."""
        ...


class BusBackend:
    """A cortex instance of this installation: `analysis.requested.v1` to the instance of the server's name."""

    def __init__(self, claims_url: str) -> None:
        self._claims_url = claims_url

    async def submit(self, session: AsyncSession, caller: Caller, job: Job, observable: Observable, *, message: str) -> None:
        file = None
        if observable.sha256 is not None and observable.blob is not None:
            sha256 = observable.sha256.hex()
            file = FileRef(
                name=observable.file_name or "file", content_type=observable.content_type or "", sha256=sha256,
                size=observable.blob["size"], url=f"{self._claims_url}/{sha256}",
            )  # fmt: skip
            await claims.allow(session, service="cortex", sha256=observable.sha256, content_type=observable.content_type or "")
        request = AnalysisRequested(
            job_id=text_id(job.id), worker_id=job.worker_id, name=job.worker_name, data_type=observable.data_type,
            data=observable.data, file=file, tlp=observable.tlp, pap=observable.pap, message=message,
            parameters=job.parameters,
        )  # fmt: skip
        await tell(session, caller, request, key=f"job:{text_id(job.id)}", target=job.server)


class RestBackend:
    """A Cortex elsewhere: the job is due at once and the poller does the calls, outside of any transaction."""

    async def submit(self, session: AsyncSession, caller: Caller, job: Job, observable: Observable, *, message: str) -> None:
        job.next_poll_at = datetime.now(UTC)
        await session.flush()
