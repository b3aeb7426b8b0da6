"""Searchable fields of jobs, of their reports and of what those found. A job's `data` is matched exactly, by a hash index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Job
from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from cortex.search import STAMPS, find_all
from waggle.query import Entity, Field, Relation
from waggle.web.paging import Page


def _scale(column: str, numbers: dict[str, int]) -> Field:
    """Words under the number the API shows for them: two TLPs share the 3."""
    words = {n: tuple(word for word, number in numbers.items() if number == n) for n in sorted(set(numbers.values()))}
    return Field(column, "scale", words=words)


def _of_file(column: str) -> str:
    return f"(SELECT {column} FROM attachments a JOIN blobs b USING (sha256) WHERE a.id = {{t}}.attachment_id)"


ARTIFACTS = Entity(
    kind="artifact",
    table="artifacts",
    texts=("data", "message"),
    fields={
        "_id": Field("{t}.id", "integer"),
        "dataType": Field("{t}.data_type"),
        "data": Field("{t}.data"),
        "message": Field("{t}.message"),
        "tags": Field("{t}.tags", "list"),
        "tlp": _scale("{t}.tlp", TLP_NUMBERS),
    },
)
REPORTS = Entity(
    kind="report",
    table="reports",
    id="job_id",
    fields={"_id": Field("{t}.job_id", "uuid"), "verdict": Field("{t}.verdict->>'level'")},
    children={"artifact": Relation(lambda: ARTIFACTS, "{t}.job_id = {other}.job_id")},
)
JOBS = Entity(
    kind="job",
    table="jobs",
    date="created_at",
    texts=("data", "message", "workerName"),
    fields={
        "_id": Field("{t}.id", "uuid"),
        "id": Field("{t}.id", "uuid"),
        "status": Field("{t}.status"),
        "dataType": Field("{t}.data_type"),
        "data": Field("{t}.data"),
        "type": Field("{t}.kind"),
        "workerId": Field("{t}.worker_id"),
        "analyzerId": Field("{t}.worker_id"),
        "workerName": Field("{t}.worker_name"),
        "analyzerName": Field("{t}.worker_name"),
        "workerDefinitionId": Field("{t}.definition_id"),
        "analyzerDefinitionId": Field("{t}.definition_id"),
        "organization": Field("{t}.org_id"),
        "tlp": _scale("{t}.tlp", TLP_NUMBERS),
        "pap": _scale("{t}.pap", PAP_NUMBERS),
        "message": Field("{t}.message"),
        "label": Field("{t}.label"),
        "errorMessage": Field("{t}.error_message"),
        "date": Field("{t}.created_at", "integer"),
        "startDate": Field("{t}.start_date", "integer"),
        "endDate": Field("{t}.end_date", "integer"),
        "attachment.name": Field(_of_file("a.name")),
        "attachment.contentType": Field(_of_file("a.content_type")),
        "attachment.id": Field(_of_file("encode(a.sha256, 'hex')")),
        "attachment.size": Field(_of_file("b.size"), "integer"),
        **STAMPS,
    },
    children={"report": Relation(lambda: REPORTS, "{t}.id = {other}.job_id")},
)


async def find_jobs(
    session: AsyncSession, *, organisation: str, query: Any, page: Page, order: Sequence[str], deleted: bool = False
) -> tuple[list[Job], int]:
    """The jobs that match, newest first unless told otherwise. `deleted` adds the deleted ones."""
    return await find_all(
        session,
        Job,
        JOBS,
        organisation=organisation,
        query=query,
        page=page,
        order=order,
        narrowing=lambda compiler: "true" if deleted else f"{compiler.alias}.status <> 'Deleted'",
    )
