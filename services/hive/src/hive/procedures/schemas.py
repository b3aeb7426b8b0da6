"""Procedures and techniques as the v1 API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from hive.markings import Input, Millis, Text
from hive.procedures.catalogue import tactic_label
from hive.procedures.models import Pattern, Procedure
from hive.tables import text_id

PatternId = Annotated[str, Field(min_length=1, max_length=128)]
Tactic = Annotated[str, Field(min_length=1, max_length=32)]


class InputProcedure(Input):
    """`tactic` may be left out where the technique belongs to one alone."""

    occur_date: Millis
    pattern_id: PatternId
    tactic: Tactic | None = None
    description: Text | None = None


class InputProcedures(Input):
    procedures: Annotated[list[InputProcedure], Field(max_length=1000)]


class InputUpdateProcedure(Input):
    occur_date: Millis | None = None
    pattern_id: PatternId | None = None
    tactic: Tactic | None = None
    description: Text | None = None


class InputIds(Input):
    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class OutputProcedure(TypedDict):
    _id: str
    _createdAt: int
    _createdBy: str
    _updatedAt: NotRequired[int]
    _updatedBy: NotRequired[str]
    version: int
    description: NotRequired[str]
    occurDate: int
    patternId: str
    patternName: str
    tactic: str
    tacticLabel: str
    extraData: dict[str, Any]


class OutputPattern(TypedDict):
    _id: str
    _type: str
    _createdAt: int
    _createdBy: str
    _updatedAt: NotRequired[int]
    _updatedBy: NotRequired[str]
    patternId: str
    name: str
    description: str
    tactics: list[str]
    url: str
    patternType: str
    revoked: bool
    dataSources: list[str]
    platforms: list[str]
    version: int
    extraData: dict[str, Any]


def procedure_out(procedure: Procedure) -> OutputProcedure:
    answer: OutputProcedure = {
        "_id": text_id(procedure.id), "_createdAt": procedure.created_at, "_createdBy": procedure.created_by,
        "version": procedure.version, "occurDate": procedure.occur_date, "patternId": procedure.pattern_id,
        "patternName": procedure.pattern_name, "tactic": procedure.tactic, "tacticLabel": tactic_label(procedure.tactic),
        "extraData": {},
    }  # fmt: skip
    if procedure.description is not None:
        answer["description"] = procedure.description
    if procedure.updated_at is not None and procedure.updated_by is not None:
        answer["_updatedAt"], answer["_updatedBy"] = procedure.updated_at, procedure.updated_by
    return answer


def pattern_out(pattern: Pattern) -> OutputPattern:
    answer: OutputPattern = {
        "_id": text_id(pattern.id), "_type": "Pattern", "_createdAt": pattern.created_at, "_createdBy": pattern.created_by,
        "patternId": pattern.pattern_id, "name": pattern.name, "description": pattern.description, "tactics": pattern.tactics,
        "url": pattern.url, "patternType": "attack-pattern", "revoked": pattern.revoked, "dataSources": pattern.data_sources,
        "platforms": pattern.platforms, "version": pattern.version, "extraData": {},
    }  # fmt: skip
    if pattern.updated_at is not None and pattern.updated_by is not None:
        answer["_updatedAt"], answer["_updatedBy"] = pattern.updated_at, pattern.updated_by
    return answer
