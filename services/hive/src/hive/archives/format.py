"""What an archive of a case holds: `case.json`, described here, and the contents of its files under their SHA-256.

An archive comes from outside and is believed nothing: every field is checked as if a person had typed it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hive.customfields.values import Scalar
from hive.markings import Millis, Severity, Tags, Text
from waggle.contracts.vocabulary import Pap, Tlp

VERSION = 1
DOCUMENT = "case.json"
MANY = 10_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ArchivedFile(_Part):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, Field(max_length=255)]
    content_type: Annotated[str, Field(max_length=255)]


class ArchivedField(_Part):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    value: Scalar
    order: Annotated[int, Field(ge=0, le=MANY)]


class ArchivedLog(_Part):
    message: Text
    date: Millis
    include_in_timeline: Millis | None
    files: Annotated[list[ArchivedFile], Field(max_length=1000)]


class ArchivedTask(_Part):
    title: Annotated[str, Field(min_length=1, max_length=128)]
    group: Annotated[str, Field(min_length=1, max_length=64)]
    description: Text | None
    status: Literal["Waiting", "InProgress", "Completed", "Cancel"]
    flag: bool
    mandatory: bool
    order: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    start_date: Millis | None
    end_date: Millis | None
    due_date: Millis | None
    logs: Annotated[list[ArchivedLog], Field(max_length=MANY)]


class ArchivedObservable(_Part):
    data_type: Annotated[str, Field(min_length=1, max_length=64)]
    data: Annotated[str, Field(max_length=4096)] | None
    file: ArchivedFile | None
    tlp: Tlp
    pap: Pap
    ioc: bool
    sighted: bool
    sighted_at: Millis | None
    ignore_similarity: bool
    tags: Tags
    message: Text | None


class ArchivedProcedure(_Part):
    pattern_id: Annotated[str, Field(min_length=1, max_length=64)]
    tactic: Annotated[str, Field(max_length=64)]
    description: Text | None
    occur_date: Millis


class ArchivedPage(_Part):
    title: Annotated[str, Field(min_length=1, max_length=128)]
    content: Text
    category: Annotated[str, Field(max_length=128)]
    order: Annotated[int, Field(ge=-(2**31), lt=2**31)]


class ArchivedComment(_Part):
    message: Text
    author: Annotated[str, Field(max_length=128)]


class ArchivedCase(_Part):
    title: Annotated[str, Field(min_length=1, max_length=512)]
    description: Text
    severity: Severity
    tlp: Tlp
    pap: Pap
    start_date: Millis
    end_date: Millis | None
    status: Annotated[str, Field(max_length=64)]
    impact_status: Literal["NotApplicable", "WithImpact", "NoImpact"] | None
    summary: Text | None
    flag: bool
    tags: Tags
    custom_fields: Annotated[list[ArchivedField], Field(max_length=1000)]
    tasks: Annotated[list[ArchivedTask], Field(max_length=MANY)]
    observables: Annotated[list[ArchivedObservable], Field(max_length=100_000)]
    procedures: Annotated[list[ArchivedProcedure], Field(max_length=MANY)]
    pages: Annotated[list[ArchivedPage], Field(max_length=1000)]
    comments: Annotated[list[ArchivedComment], Field(max_length=MANY)]
    files: Annotated[list[ArchivedFile], Field(max_length=1000)]


class Archive(_Part):
    format: Literal["waggle-case"] = "waggle-case"
    version: Literal[1] = 1
    exported_at: Millis
    case: ArchivedCase

    def files(self) -> dict[str, ArchivedFile]:
        """Every file it speaks of, by hash."""
        found = [*self.case.files, *(one.file for one in self.case.observables if one.file)]
        found += [file for task in self.case.tasks for log in task.logs for file in log.files]
        return {one.sha256: one for one in found}
