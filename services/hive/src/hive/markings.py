"""TLP, PAP and severity as the v1 API numbers and labels them (contracts hive-v1 §3.1). Inside they are words."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS, Pap, Tlp

TlpNumber = Annotated[int, Field(ge=0, le=4, description="0 CLEAR, 1 GREEN, 2 AMBER, 3 AMBER+STRICT, 4 RED")]
PapNumber = Annotated[int, Field(ge=0, le=3, description="0 CLEAR, 1 GREEN, 2 AMBER, 3 RED")]
Severity = Annotated[int, Field(ge=1, le=4, description="1 LOW, 2 MEDIUM, 3 HIGH, 4 CRITICAL")]
Millis = Annotated[int, Field(ge=-62_135_596_800_000, le=253_402_300_799_999, description="ms since the epoch, UTC")]
Text = Annotated[str, Field(max_length=1_048_576)]
Tag = Annotated[str, Field(min_length=1, max_length=128)]
Tags = Annotated[list[Tag], Field(max_length=1000)]


class Input(BaseModel):
    """A request body: camelCase names, no unknown fields, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)

    def given(self) -> dict[str, Any]:
        """The fields that the caller sent, by their Python names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def tlp_of(number: int) -> Tlp:
    return TLP_LEVELS[number]


def pap_of(number: int) -> Pap:
    return PAP_LEVELS[number]


def tlp_number(word: str) -> int:
    return TLP_LEVELS.index(cast(Tlp, word))


def pap_number(word: str) -> int:
    return PAP_LEVELS.index(cast(Pap, word))


def unique(values: list[str]) -> list[str]:
    """Without repeats, in the order of first appearance."""
    return list(dict.fromkeys(values))
