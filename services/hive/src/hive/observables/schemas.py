"""Observables as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.attachments.schemas import OutputAttachment
from hive.markings import Input, Millis, PapNumber, Tags, Text, TlpNumber, pap_number, tlp_number
from hive.observables.models import Observable
from hive.tables import text_id
from waggle.archives import PASSWORD

DataType = Annotated[str, Field(min_length=1, max_length=64)]
Data = Annotated[str, Field(min_length=1, max_length=4096)]
PartName = Annotated[str, Field(min_length=1, max_length=512)]


class ExistingAttachment(Input):
    """A file that the platform has already, by its content's hash."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    name: PartName
    content_type: PartName | None = None


Attached = PartName | ExistingAttachment


class InputObservable(Input):
    data_type: DataType
    data: Data | Annotated[list[Data], Field(min_length=1, max_length=1000)] | None = None
    attachment: PartName | ExistingAttachment | Annotated[list[PartName | ExistingAttachment], Field(max_length=100)] | None = (
        None
    )
    message: Text | None = None
    start_date: Millis | None = None
    tlp: TlpNumber = 2
    pap: PapNumber = 2
    tags: Tags = Field(default_factory=list)
    ioc: bool = False
    sighted: bool = False
    sighted_at: Millis | None = None
    ignore_similarity: bool = False
    is_zip: bool = False
    zip_password: Annotated[str, Field(min_length=1, max_length=512)] = PASSWORD


class InputUpdateObservable(Input):
    data_type: DataType | None = None
    message: Text | None = None
    tlp: TlpNumber | None = None
    pap: PapNumber | None = None
    tags: Tags | None = None
    add_tags: Tags | None = None
    remove_tags: Tags | None = None
    ioc: bool | None = None
    sighted: bool | None = None
    sighted_at: Millis | None = None
    ignore_similarity: bool | None = None
    external: bool | None = None


class InputUpdateObservables(InputUpdateObservable):
    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class VerdictLine(TypedDict):
    level: Literal["info", "safe", "suspicious", "malicious"]
    namespace: str
    predicate: str
    value: str


class AnalyzerVerdicts(TypedDict):
    taxonomies: list[VerdictLine]


class OutputObservable(TypedDict):
    _id: str
    _type: str
    _createdBy: str
    _createdAt: int
    _updatedBy: NotRequired[str]
    _updatedAt: NotRequired[int]
    version: int
    dataType: str
    data: NotRequired[str]
    startDate: int
    attachment: NotRequired[OutputAttachment]
    tlp: int
    tlpLabel: str
    pap: int
    papLabel: str
    tags: list[str]
    ioc: bool
    sighted: bool
    sightedAt: NotRequired[int]
    ignoreSimilarity: bool
    reports: dict[str, AnalyzerVerdicts]
    message: NotRequired[str]
    extraData: dict[str, Any]
    external: bool


class RefusedObservable(TypedDict):
    type: str
    message: str
    object: dict[str, Any]


class PartlyCreated(TypedDict):
    """The body of a 207: some of several observables existed already."""

    success: list[OutputObservable]
    failure: list[RefusedObservable]


class MergedObservables(TypedDict):
    untouched: int
    updated: int
    deleted: int


def file_of(row: Observable) -> OutputAttachment | None:
    """The file of a file observable, in the form of an attachment."""
    if row.sha256 is None or row.blob is None or row.attachment_id is None:
        return None
    sha256 = row.sha256.hex()
    return {
        "_id": text_id(row.attachment_id), "_type": "Attachment", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "name": row.file_name or "", "hashes": [sha256, row.blob["sha1"], row.blob["md5"]], "size": row.blob["size"],
        "contentType": row.content_type or "", "id": sha256, "path": "", "extraData": {}, "external": False,
    }  # fmt: skip


def observable_out(row: Observable) -> OutputObservable:
    answer: OutputObservable = {
        "_id": text_id(row.id), "_type": "Observable", "_createdBy": row.created_by, "_createdAt": row.created_at,
        "version": row.version, "dataType": row.data_type, "startDate": row.created_at, "tlp": tlp_number(row.tlp),
        "tlpLabel": row.tlp, "pap": pap_number(row.pap), "papLabel": row.pap, "tags": row.tags, "ioc": row.ioc,
        "sighted": row.sighted, "ignoreSimilarity": row.ignore_similarity, "reports": row.reports, "extraData": {},
        "external": row.external,
    }  # fmt: skip
    optional: dict[str, Any] = {
        "_updatedBy": row.updated_by, "_updatedAt": row.updated_at, "data": row.data, "attachment": file_of(row),
        "sightedAt": row.sighted_at, "message": row.message,
    }  # fmt: skip
    answer.update({k: v for k, v in optional.items() if v is not None})  # type: ignore[typeddict-item]
    return answer
