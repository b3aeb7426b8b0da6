"""Workers as the API takes and shows them: contracts/cortex.md §2.4, §3.1, §3.3."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from cortex.http import Lenient, Strict, Whole
from cortex.identity.schemas import Shown
from cortex.markings import PAP_NUMBERS, TLP_NUMBERS
from cortex.workers.models import Worker
from cortex.workers.service import Limits, SharedConfig

RateUnit = Literal["Second", "Minute", "Hour", "Day", "Month"]
RunnerName = Literal["warm", "process", "docker"]
Small = Annotated[Whole, Field(ge=0, le=1_000_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def _no_list(value: Any) -> Any:
    """PATCH takes `[]` for "remove this optional attribute"."""
    return None if value == [] else value


Removable = BeforeValidator(_no_list)


class _Limits(BaseModel):
    rate: Annotated[Small | None, Removable] = None
    rateUnit: Annotated[RateUnit | None, Removable] = None
    jobCache: Annotated[Small | None, Removable] = None
    jobTimeout: Annotated[Small | None, Removable] = None
    runner: Annotated[RunnerName | None, Removable] = Field(
        None, description="ours: how its jobs are run; none: the first way that fits"
    )


class NewWorker(_Limits, Lenient):
    """Lenient: clients send the definition's own fields along."""

    name: Name
    configuration: dict[str, Any] = {}
    dataTypeList: list[str] | None = None

    def limits(self) -> Limits:
        return Limits(self.rate, self.rateUnit, self.jobCache, self.jobTimeout)


COLUMNS = {
    "name": "name",
    "rate": "rate",
    "rateUnit": "rate_unit",
    "jobCache": "cache_minutes",
    "jobTimeout": "timeout_minutes",
    "runner": "runner",
    "dataTypeList": "data_types",
    "dockerImage": "docker_image",
}


class WorkerChanges(_Limits, Strict):
    name: Name | None = None
    configuration: dict[str, Any] | None = None
    dataTypeList: list[str] | None = None
    dockerImage: str | None = None

    def columns(self) -> dict[str, Any]:
        """The given changes by column. A name and a list of types can be changed, not removed."""
        given = self.model_dump(exclude_unset=True, exclude={"configuration"})
        return {COLUMNS[n]: v for n, v in given.items() if v is not None or n not in ("name", "dataTypeList")}


class Upgrade(Strict):
    """To which version of its definition a worker is to move."""

    definitionId: str


class BaseConfigChanges(Lenient):
    config: dict[str, Any]


class ShownWorker(Shown):
    parent_: str = Field(serialization_alias="_parent")
    name: str
    version: str
    workerDefinitionId: str
    analyzerDefinitionId: str
    description: str
    author: str
    url: str
    license: str
    command: str
    dockerImage: str
    dataTypeList: list[str]
    baseConfig: str
    rate: int
    rateUnit: RateUnit
    jobCache: int
    jobTimeout: int
    runner: RunnerName
    type: Literal["analyzer", "responder"]
    maxTlp: int | None
    maxPap: int | None
    configuration: dict[str, Any]


class ShownBaseConfig(BaseModel):
    name: str
    workers: list[str]
    configurationItems: list[dict[str, Any]]
    config: dict[str, Any]


def show_worker(worker: Worker, *, with_configuration: bool) -> ShownWorker:
    """`with_configuration` for organisation administrators alone, and then with the secrets masked."""
    shown: dict[str, Any] = {"id": worker.id, "id_": worker.id, "type_": "worker", "parent_": worker.org_id}
    shown |= {"createdAt": worker.created_at, "createdBy": worker.created_by, "version_": worker.version}
    shown |= {"name": worker.name, "version": worker.flavor_version, "workerDefinitionId": worker.definition_id}
    shown |= {"description": worker.description, "author": worker.author, "url": worker.url, "license": worker.license}
    shown |= {"dataTypeList": worker.data_types, "baseConfig": worker.base_config, "type": worker.kind}
    if worker.kind == "analyzer":
        shown["analyzerDefinitionId"] = worker.definition_id
    optional = {
        "updatedAt": worker.updated_at,
        "updatedBy": worker.updated_by,
        "command": worker.command,
        "dockerImage": worker.docker_image,
        "rate": worker.rate,
        "rateUnit": worker.rate_unit,
        "jobCache": worker.cache_minutes,
        "jobTimeout": worker.timeout_minutes,
        "runner": worker.runner,
        "maxTlp": None if worker.max_tlp is None else TLP_NUMBERS[worker.max_tlp],
        "maxPap": None if worker.max_pap is None else PAP_NUMBERS[worker.max_pap],
        "configuration": worker.public_config if with_configuration else None,
    }
    shown |= {name: value for name, value in optional.items() if value is not None}
    return ShownWorker.model_construct(_fields_set=set(shown), **shown)


def show_base_config(shared: SharedConfig) -> ShownBaseConfig:
    return ShownBaseConfig(name=shared.name, workers=shared.definitions, configurationItems=shared.items, config=shared.values)
