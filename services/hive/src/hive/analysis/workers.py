"""The analyzers and responders that an organisation may use, as the servers told of them; and why one may not run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import any_, delete, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.models import CortexServer, Worker
from hive.analysis.subjects import Subject
from waggle.contracts.vocabulary import pap_word, stricter_pap, stricter_tlp, tlp_word

WorkerKind = Literal["analyzer", "responder"]


@dataclass(frozen=True, slots=True)
class Available:
    """A worker together with the servers that have it and that the organisation may use."""

    worker: Worker
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a run goes; what was asked for and is not there is None."""

    worker: Worker | None
    server: CortexServer | None


def _usable(organisation: str) -> Any:
    return or_(func.cardinality(CortexServer.organisations) == 0, literal(organisation) == any_(CortexServer.organisations))


async def workers(
    session: AsyncSession,
    organisation: str,
    *,
    kind: WorkerKind = "analyzer",
    data_type: str | None = None,
    worker_id: str | None = None,
) -> list[Available]:
    """The workers that the organisation may use, by name. `worker_id`: an id, or a name."""
    statement = (
        select(Worker, CortexServer.name)
        .join(CortexServer, CortexServer.id == Worker.server_id)
        .where(Worker.kind == kind, _usable(organisation))
        .order_by(Worker.name, CortexServer.id)
    )
    if data_type is not None:
        statement = statement.where(literal(data_type) == any_(Worker.data_types))
    if worker_id is not None:
        statement = statement.where(or_(Worker.worker_id == worker_id, Worker.name == worker_id))
    found: dict[str, Available] = {}
    for worker, server in await session.execute(statement):
        known = found.get(worker.worker_id)
        found[worker.worker_id] = Available(known.worker if known else worker, (*(known.servers if known else ()), server))
    return list(found.values())


async def choose(
    session: AsyncSession, organisation: str, *, kind: WorkerKind, worker_id: str, server_name: str | None
) -> Choice:
    """The worker and server for a run: the server named, else the first that has the worker."""
    available = await workers(session, organisation, kind=kind, worker_id=worker_id)
    chosen = next((one for one in available if server_name is None or server_name in one.servers), None)
    name = server_name or (chosen.servers[0] if chosen else None)
    server = await session.scalar(select(CortexServer).where(CortexServer.name == name, _usable(organisation)))
    return Choice(chosen.worker if chosen else None, server)


def definition_of(worker: Worker) -> str:
    """The flavor's id, `Name_1_0`; workers are usually named after it."""
    version = f"_{worker.version}".replace(".", "_")
    return worker.name if worker.name.endswith(version) else f"{worker.name}{version}"


def allowed(worker: Worker, subject: Subject) -> str | None:
    """Why a worker may not get a subject: its markings are over the limit. None when it may."""
    tlp, pap = tlp_word(subject.tlp), pap_word(subject.pap)
    if worker.max_tlp is not None and stricter_tlp(tlp, tlp_word(worker.max_tlp)):
        return f"TLP is higher than allowed: the {subject.what} is TLP:{tlp}, {worker.name} takes up to TLP:{worker.max_tlp}"
    if worker.max_pap is not None and stricter_pap(pap, pap_word(worker.max_pap)):
        return f"PAP is higher than allowed: the {subject.what} is PAP:{pap}, {worker.name} takes up to PAP:{worker.max_pap}"
    return None


def refusal(choice: Choice, subject: Subject, *, worker_id: str, server_name: str | None) -> str | None:
    """Why a run cannot start, in words for the analyst; None when it can."""
    if choice.server is None and server_name is not None:
        return f"Cortex server {server_name} is not configured"
    if choice.worker is None or choice.server is None:
        return f"no Cortex server has the {subject.kind} {worker_id}"
    if subject.data_type not in choice.worker.data_types:
        return f"{choice.worker.name} does not take {subject.what}s of type {subject.data_type}"
    return allowed(choice.worker, subject)


async def replace_catalogue(session: AsyncSession, server: CortexServer, listed: Sequence[Worker]) -> None:
    """A server's whole list of workers, in place of what was known of it."""
    await session.execute(delete(Worker).where(Worker.server_id == server.id))
    for one in {worker.worker_id: worker for worker in listed}.values():
        one.server_id = server.id
        session.add(one)
    await session.flush()
