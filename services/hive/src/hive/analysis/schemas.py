"""Jobs and workers as both APIs take and show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, cast

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from hive.analysis.actions import ObjectKind
from hive.analysis.models import Action, Job, JobArtifact
from hive.analysis.workers import Available
from hive.markings import Input, TlpNumber, pap_number, tlp_number
from hive.tables import text_id

JobStatus = Literal["Waiting", "InProgress", "Success", "Failure", "Deleted"]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class InputJob(Input):
    analyzer_id: Name
    cortex_id: Name | None = None
    artifact_id: Annotated[str, Field(max_length=64, description="id of the observable")]
    parameters: dict[str, Any] = Field(default_factory=dict)


class InputJobs(Input):
    jobs: Annotated[list[InputJob], Field(max_length=500)]


class InputAction(Input):
    responder_id: Name
    cortex_id: Name | None = None
    object_type: Name
    object_id: Annotated[str, Field(max_length=300)]
    parameters: dict[str, Any] | None = None
    tlp: TlpNumber | None = None


class InputArtifacts(Input):
    """`artifacts`: ids of those wanted; absent: all."""

    artifacts: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=5000)] | None = None


class OutputWorker(TypedDict):
    id: str
    name: str
    version: str
    description: str
    dataTypeList: list[str]
    cortexIds: list[str]
    maxTlp: NotRequired[int]
    maxPap: NotRequired[int]


class OutputArtifact(TypedDict):
    """`importedAs`: the observable that was made of it."""

    _id: str
    importedAs: NotRequired[str]
    dataType: str
    data: NotRequired[str]
    attachment: NotRequired[dict[str, Any]]
    message: NotRequired[str]
    tags: list[str]
    tlp: int


class OutputReport(TypedDict):
    success: bool
    errorMessage: NotRequired[str]
    full: NotRequired[Any]
    artifacts: NotRequired[list[OutputArtifact]]


class OutputJob(TypedDict):
    _id: str
    id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    analyzerId: str
    analyzerName: str
    analyzerDefinition: str
    status: JobStatus
    startDate: int
    endDate: NotRequired[int]
    report: NotRequired[OutputReport]
    errorMessage: NotRequired[str]
    cortexId: str
    cortexJobId: str
    observableId: str
    operations: str


def artifact_out(one: JobArtifact) -> OutputArtifact:
    answer: OutputArtifact = {"_id": text_id(one.id), "dataType": one.data_type, "tags": one.tags, "tlp": tlp_number(one.tlp)}
    if one.data is not None:
        answer["data"] = one.data
    if one.sha256 is not None:
        answer["attachment"] = {
            "id": one.sha256.hex(), "name": one.file_name, "contentType": one.content_type, "size": one.size,
        }  # fmt: skip
    if one.message is not None:
        answer["message"] = one.message
    if one.imported_id is not None:
        answer["importedAs"] = text_id(one.imported_id)
    return answer


def job_out(job: Job, *, full: Any = None, artifacts: Sequence[JobArtifact] | None = None) -> OutputJob:
    """`artifacts` given: the report is wanted, too (`full` is its body)."""
    answer: OutputJob = {
        "_id": text_id(job.id), "id": text_id(job.id), "_type": "case_artifact_job", "_createdBy": job.created_by,
        "_createdAt": job.created_at, "version": job.version, "analyzerId": job.worker_id, "analyzerName": job.worker_name,
        "analyzerDefinition": job.definition, "status": job.status, "startDate": job.start_date,  # type: ignore[typeddict-item]
        "cortexId": job.server, "cortexJobId": job.cortex_job_id or "", "observableId": text_id(job.observable_id),
        "operations": orjson.dumps(job.operations).decode(),
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": job.updated_by, "_updatedAt": job.updated_at, "endDate": job.end_date, "errorMessage": job.error,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    if job.status == "Failure":
        answer["report"] = {"success": False, "errorMessage": job.error or "", "artifacts": []}
    elif job.status == "Success" and artifacts is not None:
        answer["report"] = {"success": True, "full": full, "artifacts": [artifact_out(one) for one in artifacts]}
    return answer


class OutputAction(TypedDict):
    _id: str
    id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    responderId: str
    responderName: str
    responderDefinition: str
    cortexId: str
    cortexJobId: NotRequired[str]
    objectType: ObjectKind
    objectId: str
    status: JobStatus
    startDate: int
    endDate: NotRequired[int]
    operations: str
    report: dict[str, Any]


def action_out(action: Action, *, full: Any = None) -> OutputAction:
    """`full`: the body of the report, where it is wanted."""
    report: dict[str, Any] = {}
    if action.status == "Failure":
        report = {"success": False, "errorMessage": action.error or ""}
    elif action.status == "Success":
        report = {"success": True, **({"full": full} if full is not None else {})}
    answer: OutputAction = {
        "_id": text_id(action.id), "id": text_id(action.id), "_type": "Action", "_createdBy": action.created_by,
        "_createdAt": action.created_at, "version": action.version, "responderId": action.worker_id,
        "responderName": action.worker_name, "responderDefinition": action.definition, "cortexId": action.server,
        "objectType": cast(ObjectKind, action.object_kind), "objectId": text_id(action.object_id),
        "status": cast(JobStatus, action.status), "startDate": action.start_date,
        "operations": orjson.dumps(action.operations).decode(), "report": report,
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": action.updated_by, "_updatedAt": action.updated_at, "endDate": action.end_date,
        "cortexJobId": action.cortex_job_id,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer


def worker_out(one: Available) -> OutputWorker:
    worker = one.worker
    shown: OutputWorker = {
        "id": worker.worker_id, "name": worker.name, "version": worker.version, "description": worker.description,
        "dataTypeList": worker.data_types, "cortexIds": list(one.servers),
    }  # fmt: skip
    if worker.max_tlp is not None:
        shown["maxTlp"] = tlp_number(worker.max_tlp)
    if worker.max_pap is not None:
        shown["maxPap"] = pap_number(worker.max_pap)
    return shown
