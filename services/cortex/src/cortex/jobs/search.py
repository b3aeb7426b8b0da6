"""Searchable fields of jobs, and their lists. Values are matched exactly, by the index of their keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Job
from cortex.jobs.requests import value_key
from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from cortex.search import Column, Register, search_ids
from waggle.web.paging import Page


def _numbered(column: str, numbers: dict[str, int]) -> str:
    cases = " ".join(f"WHEN '{word}' THEN {number}" for word, number in numbers.items())
    return f"CASE {column} {cases} END"


def _data_equals(bind: Callable[[Any], str], value: str) -> str:
    """Both keys the value may have: types without regard to case fold it."""
    keys = ", ".join(f"CAST({bind(str(value_key(kind, value)))} AS uuid)" for kind in ("ip", "other"))
    return f"data_key IN ({keys}) AND data = CAST({bind(value)} AS text)"


def _of_file(column: str) -> Column:
    return Column(f"SELECT {column} FROM attachments a JOIN blobs b USING (sha256) WHERE a.id = jobs.attachment_id")


JOBS = Register(
    table="jobs",
    key="id",
    columns={
        "id": Column("id", "uuid"),
        "status": Column("status"),
        "dataType": Column("data_type"),
        "data": Column("data", equal=_data_equals),
        "type": Column("kind"),
        "workerId": Column("worker_id"),
        "analyzerId": Column("worker_id"),
        "workerName": Column("worker_name"),
        "analyzerName": Column("worker_name"),
        "workerDefinitionId": Column("definition_id"),
        "analyzerDefinitionId": Column("definition_id"),
        "organization": Column("org_id"),
        "tlp": Column(_numbered("tlp", TLP_NUMBERS), "number"),
        "pap": Column(_numbered("pap", PAP_NUMBERS), "number"),
        "message": Column("message"),
        "label": Column("label"),
        "errorMessage": Column("error_message"),
        "createdAt": Column("created_at", "number"),
        "date": Column("created_at", "number"),
        "createdBy": Column("created_by"),
        "startDate": Column("start_date", "number"),
        "endDate": Column("end_date", "number"),
        "updatedAt": Column("updated_at", "number"),
        "attachment.name": _of_file("a.name"),
        "attachment.contentType": _of_file("a.content_type"),
        "attachment.id": _of_file("encode(a.sha256, 'hex')"),
        "attachment.size": Column(
            "SELECT b.size FROM attachments a JOIN blobs b USING (sha256) WHERE a.id = jobs.attachment_id", "number"
        ),
    },
    order="created_at DESC",
    kind="job",
)


async def find_jobs(
    session: AsyncSession, *, query: Any, page: Page, order: Sequence[str], deleted: bool = False
) -> tuple[list[Job], int]:
    """The jobs that match, newest first unless told otherwise. `deleted` adds the deleted ones."""
    base = "true" if deleted else "status <> 'Deleted'"
    keys, total = await search_ids(session, JOBS, query=query, page=page, order=order, base=base)
    ids = [UUID(bytes=key.bytes) for key in keys]
    found = {job.id: job for job in await session.scalars(select(Job).where(Job.id.in_(ids)))}
    return [found[key] for key in ids], total
