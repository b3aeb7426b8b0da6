"""Analyses: asked for by hive, run by a cortex instance."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.base import Audience, Content, Message, Milliseconds, PapWord, Service, TlpWord, Value
from waggle.contracts.vocabulary import VerdictLevel, verdict_level

WorkerKind = Literal["analyzer", "responder"]


class AnalysisRequested(Content, Message):
    """Run one worker on one observable (or, for a responder, on the object in `parameters`)."""

    type = "analysis.requested.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "cortex"
    addressed: ClassVar[bool] = True

    job_id: str
    kind: WorkerKind = "analyzer"
    worker_id: str | None = None
    name: str | None = Field(default=None, description="the worker's name, where its id is not known")
    tlp: TlpWord
    pap: PapWord
    message: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    label: str | None = None
    force: bool = Field(default=False, description="run even if a fresh report of the same request exists")
    deadline: Milliseconds | None = None

    @model_validator(mode="after")
    def _names_a_worker(self) -> AnalysisRequested:
        if self.worker_id is None and self.name is None:
            raise ValueError("worker_id or name is needed")
        return self


class AnalysisCancelled(Message):
    type = "analysis.cancelled.v1"
    sender: ClassVar[Service] = "hive"
    audience: ClassVar[Audience] = "cortex"
    addressed: ClassVar[bool] = True

    job_id: str


class AnalysisStarted(Message):
    type = "analysis.started.v1"
    sender: ClassVar[Service] = "cortex"
    audience: ClassVar[Audience] = "hive"

    job_id: str
    cortex_job_id: str
    attempt: int = Field(ge=1)


class Verdict(Value):
    """A verdict line (a "taxonomy" in a report's summary)."""

    level: VerdictLevel
    namespace: str
    predicate: str
    value: str

    @model_validator(mode="before")
    @classmethod
    def _read_leniently(cls, line: Any) -> Any:
        """Analyzers write numbers as values and levels of their own."""
        if not isinstance(line, dict):
            return line
        return {**line, "level": verdict_level(line.get("level")), "value": str(line.get("value", ""))}


class Summary(Value):
    taxonomies: tuple[Verdict, ...] = ()


class ReportArtifact(Content):
    """What a report found; an observable once an analyst imports it."""

    tags: tuple[str, ...] = ()
    tlp: TlpWord | None = None
    message: str | None = None


class AnalysisCompleted(Message):
    """The end of a job. A report over the message limit stays in cortex and is named by `report_ref`."""

    type = "analysis.completed.v1"
    sender: ClassVar[Service] = "cortex"
    audience: ClassVar[Audience] = "hive"

    job_id: str
    cortex_job_id: str | None = Field(default=None, description="absent where the request was refused before a job was made")
    status: Literal["Success", "Failure", "Deleted"]
    error_message: str | None = None
    summary: Summary = Summary()
    report: dict[str, Any] | None = None
    report_ref: DataRef | None = None
    artifacts: tuple[ReportArtifact, ...] = ()
    operations: tuple[dict[str, Any], ...] = ()
    from_cache: bool = False


class CatalogWorker(Value):
    id: str
    name: str
    version: str
    kind: WorkerKind
    data_types: tuple[str, ...]
    max_tlp: TlpWord | None = None
    max_pap: PapWord | None = None


class WorkerCatalogChanged(Message):
    """All workers an organisation of cortex has enabled, after a change."""

    type = "worker.catalog_changed.v1"
    sender: ClassVar[Service] = "cortex"
    audience: ClassVar[Audience] = "hive"

    workers: tuple[CatalogWorker, ...]
