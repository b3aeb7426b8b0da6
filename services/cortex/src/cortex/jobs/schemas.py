"""Jobs as the API takes and shows them: contracts/cortex.md §2.5, §3.4, §3.6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, Field

from cortex.http import Lenient, Whole
from cortex.identity.schemas import Shown
from cortex.jobs.models import Artifact, Job
from cortex.jobs.reports import StoredFile, shown_input
from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from waggle.query.sort import parse_sort
from waggle.web.paging import Page

Level = Annotated[Whole, Field(ge=0, le=3)]


def _object(value: Any) -> Any:
    """n8n sends `[]` for "none"; a form sends JSON text."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _or_default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


class NewJob(Lenient):
    """What to run a worker on. A file is sent as part `data` or `attachment` of a form; n8n sends fields of its own."""

    dataType: str = Field(min_length=1, max_length=200)
    data: Any = None
    tlp: Annotated[Level, _or_default(2)] = 2
    pap: Annotated[Level, _or_default(2)] = 2
    message: Annotated[str, _or_default("")] = ""
    parameters: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    label: str | None = None
    force: Annotated[bool, _or_default(False)] = False


class JobFilter(Lenient):
    """The filters of old scripts."""

    range: str | None = None
    dataTypeFilter: str | None = None
    dataFilter: str | None = None
    analyzerFilter: str | None = None

    @property
    def query(self) -> dict[str, Any]:
        parts: list[dict[str, Any]] = []
        if self.dataTypeFilter:
            parts.append({"dataType": self.dataTypeFilter})
        if self.dataFilter:
            parts.append({"data": self.dataFilter})
        if self.analyzerFilter:
            parts.append({"_or": [{"workerId": self.analyzerFilter}, {"workerName": self.analyzerFilter}]})
        return {"_and": parts}


class JobIds(Lenient):
    jobIds: list[str] = Field(max_length=10_000)


class ShownAttachment(BaseModel):
    """`id` is the content's SHA-256; `hashes` SHA-256, SHA-1 and MD5."""

    name: str
    hashes: list[str]
    size: int
    contentType: str
    id: str


class ShownJob(Shown):
    parent_: None = Field(serialization_alias="_parent")
    workerDefinitionId: str
    workerId: str
    workerName: str
    analyzerDefinitionId: str
    analyzerId: str
    analyzerName: str
    organization: str
    type: Literal["analyzer", "responder"]
    status: Literal["Waiting", "InProgress", "Success", "Failure", "Deleted"]
    dataType: str
    tlp: int
    pap: int
    message: str
    label: str
    data: Any
    attachment: ShownAttachment
    parameters: dict[str, Any]
    date: int
    startsAt: int = Field(description="of a job that is limited by a rate: when its turn is, in ms")
    startDate: int
    endDate: int
    errorMessage: str
    input: dict[str, Any]
    fromCache: bool
    cacheTag: str
    report: dict[str, Any] | str


class ShownArtifact(BaseModel):
    id: str
    id_: str = Field(serialization_alias="_id")
    type_: str = Field(serialization_alias="_type")
    dataType: str
    data: str
    attachment: ShownAttachment
    tlp: int
    tags: list[str]
    message: str
    createdAt: int
    createdBy: str


def show_file(file: StoredFile) -> ShownAttachment:
    return ShownAttachment(
        name=file.name, hashes=list(file.hashes), size=file.size, contentType=file.content_type, id=file.sha256
    )


def show_job(
    job: Job,
    files: dict[int, StoredFile],
    *,
    with_input: bool = False,
    from_cache: bool = False,
    report: dict[str, Any] | str | None = None,
) -> ShownJob:
    """`with_input`: the caller may see the worker's configuration in a failed job's input."""
    shown: dict[str, Any] = {"id": job.id.hex, "id_": job.id.hex, "type_": "job", "parent_": None}
    for role in ("worker", "analyzer"):
        shown |= {f"{role}DefinitionId": job.definition_id, f"{role}Id": job.worker_id, f"{role}Name": job.worker_name}
    shown |= {"organization": job.org_id, "type": job.kind, "status": job.status, "dataType": job.data_type}
    shown |= {"tlp": TLP_NUMBERS[job.tlp], "pap": PAP_NUMBERS[job.pap], "message": job.message, "parameters": job.parameters}
    shown |= {"date": job.created_at, "createdAt": job.created_at, "createdBy": job.created_by}
    shown |= {"cacheTag": job.cache_tag.hex(), "version_": job.version}
    if job.data is not None:
        shown["data"] = orjson.loads(job.data) if job.kind == "responder" else job.data
    optional = {
        "label": job.label,
        "startsAt": job.due_at if job.status == "Waiting" else None,
        "startDate": job.start_date,
        "endDate": job.end_date,
        "updatedAt": job.updated_at,
        "updatedBy": job.updated_by or (job.created_by if job.updated_at else None),
        "errorMessage": job.error_message,
        "input": shown_input(job, full=with_input),
        "fromCache": from_cache or None,
        "report": report,
        "attachment": show_file(files[job.attachment_id]) if job.attachment_id is not None else None,
    }
    shown |= {name: value for name, value in optional.items() if value is not None}
    return ShownJob.model_construct(_fields_set=set(shown), **shown)


def show_artifact(artifact: Artifact, job: Job, files: dict[int, StoredFile]) -> ShownArtifact:
    shown: dict[str, Any] = {"id": str(artifact.id), "id_": str(artifact.id), "type_": "artifact"}
    shown |= {"dataType": artifact.data_type, "tlp": TLP_NUMBERS[artifact.tlp], "tags": artifact.tags}
    shown |= {"createdAt": job.end_date, "createdBy": job.created_by}
    if artifact.message is not None:
        shown["message"] = artifact.message
    if artifact.attachment_id is not None:
        shown["attachment"] = show_file(files[artifact.attachment_id])
    else:
        shown["data"] = artifact.data
    return ShownArtifact.model_construct(_fields_set=set(shown), **shown)


ARTIFACT_ORDER: dict[str, Callable[[Artifact], Any]] = {
    "dataType": lambda one: one.data_type,
    "data": lambda one: one.data or "",
    "message": lambda one: one.message or "",
    "tlp": lambda one: TLP_NUMBERS[one.tlp],
}


def artifact_page(artifacts: list[Artifact], order: list[str], page: Page) -> list[Artifact]:
    """A part of what a report found, which is in the report's order unless asked otherwise; other keys change nothing."""
    for key in reversed(parse_sort(order)):
        if key.field in ARTIFACT_ORDER:
            artifacts = sorted(artifacts, key=ARTIFACT_ORDER[key.field], reverse=key.descending)
    return artifacts[page.offset :][: page.limit]
