"""Whose requests are served as whom, and which request a job answers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.acting import Actor

_LINK = text("""
SELECT u.login, u.org_id, u.roles, u.name FROM service_links l JOIN users u ON u.login = l.login
JOIN organisations o ON o.id = l.org_id
WHERE l.sender = :sender AND l.organisation = :organisation AND u.org_id = l.org_id AND u.status = 'Ok' AND o.status = 'Active'
""")
_LINKED = text("SELECT sender, organisation, org_id FROM service_links ORDER BY sender, organisation")
_ADD = text("""
INSERT INTO job_requests (sender, request_id, organisation, job_id, message_id, trace, org_id, from_cache)
VALUES (:sender, :request_id, :organisation, :job, :message, :trace, :org, :from_cache)
ON CONFLICT (sender, organisation, request_id) DO NOTHING RETURNING 1
""")
_ANNOUNCE = text("UPDATE jobs SET announced = true WHERE id = :job AND NOT announced")
_OF_JOBS = text("SELECT * FROM job_requests WHERE job_id = ANY(:jobs) ORDER BY sender, organisation, request_id")
_FIND = text("SELECT * FROM job_requests WHERE sender = :sender AND organisation = :organisation AND request_id = :request_id")
_REMOVE = text("DELETE FROM job_requests WHERE sender = :sender AND organisation = :organisation AND request_id = :request_id")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A request on the bus and the job that answers it. `request_id` is the sender's own id of its job."""

    sender: str
    organisation: str
    request_id: str
    job_id: UUID
    message_id: UUID
    trace: str
    org_id: str
    from_cache: bool


@dataclass(frozen=True, slots=True)
class Link:
    """An organisation of ours whose workers a sender may use for one of its own."""

    sender: str
    organisation: str
    org_id: str


async def actor_for(session: AsyncSession, *, sender: str, organisation: str | None, trace: str) -> Actor | None:
    """As whom a sender's request for one of its organisations is served; None: not at all."""
    row = (await session.execute(_LINK, {"sender": sender, "organisation": organisation or ""})).one_or_none()
    if row is None:
        return None
    return Actor(login=row.login, organisation=row.org_id, roles=frozenset(row.roles), name=row.name, request_id=trace)


async def all_links(session: AsyncSession) -> list[Link]:
    return [Link(row.sender, row.organisation, row.org_id) for row in await session.execute(_LINKED)]


async def remember(session: AsyncSession, request: JobRequest) -> bool:
    """Ties the request to its job; False where the sender has asked this before."""
    values = {
        "sender": request.sender,
        "request_id": request.request_id,
        "organisation": request.organisation,
        "job": request.job_id,
        "message": request.message_id,
        "trace": request.trace,
        "org": request.org_id,
        "from_cache": request.from_cache,
    }
    if await session.scalar(_ADD, values) is None:
        return False
    await session.execute(_ANNOUNCE, {"job": request.job_id})
    return True


async def requests_of(session: AsyncSession, jobs: list[UUID]) -> dict[UUID, list[JobRequest]]:
    """The requests by job."""
    found: dict[UUID, list[JobRequest]] = {}
    for row in await session.execute(_OF_JOBS, {"jobs": jobs}):
        found.setdefault(row.job_id, []).append(_request(row))
    return found


async def find_request(session: AsyncSession, *, sender: str, organisation: str, request_id: str) -> JobRequest | None:
    values = {"sender": sender, "organisation": organisation, "request_id": request_id}
    row = (await session.execute(_FIND, values)).one_or_none()
    return None if row is None else _request(row)


async def forget(session: AsyncSession, request: JobRequest) -> None:
    values = {"sender": request.sender, "organisation": request.organisation, "request_id": request.request_id}
    await session.execute(_REMOVE, values)


def _request(row: object) -> JobRequest:
    names = ("sender", "organisation", "request_id", "job_id", "message_id", "trace", "org_id", "from_cache")
    return JobRequest(*(getattr(row, name) for name in names))
