"""Techniques out of a MITRE ATT&CK bundle in STIX 2 (`enterprise-attack.json` and its like)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waggle.errors import BadRequest

MAX_BUNDLE: Final = 128 << 20
MAX_TECHNIQUES: Final = 20_000
Word = Annotated[str, Field(max_length=512)]


class _Part(BaseModel):
    """Bundles hold much more than is used here."""

    model_config = ConfigDict(extra="ignore")


class _Reference(_Part):
    source_name: str = ""
    external_id: Annotated[str, Field(max_length=128)] = ""
    url: Annotated[str, Field(max_length=4096)] = ""


class _Phase(_Part):
    phase_name: Annotated[str, Field(min_length=1, max_length=64)]


class _Technique(_Part):
    name: Annotated[str, Field(min_length=1, max_length=512)]
    description: Annotated[str, Field(max_length=1_048_576)] = ""
    external_references: Annotated[list[_Reference], Field(max_length=1000)] = Field(default_factory=list)
    kill_chain_phases: Annotated[list[_Phase], Field(max_length=100)] = Field(default_factory=list)
    revoked: bool = False
    x_mitre_deprecated: bool = False
    x_mitre_platforms: Annotated[list[Word], Field(max_length=1000)] = Field(default_factory=list)
    x_mitre_data_sources: Annotated[list[Word], Field(max_length=1000)] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bundle:
    """`rows`: techniques as the catalogue stores them. `errors`: what could not be read, each with its name and why."""

    rows: list[dict[str, Any]]
    errors: list[dict[str, str]]


def read(content: bytes) -> Bundle:
    """Raises BadRequest for what is no bundle or holds no technique."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the file is no JSON: {error}") from None
    objects = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        raise BadRequest("the file is no STIX bundle: it has no list of objects")
    techniques = [one for one in objects if isinstance(one, dict) and one.get("type") == "attack-pattern"]
    if not techniques or len(techniques) > MAX_TECHNIQUES:
        raise BadRequest(f"a bundle holds between one and {MAX_TECHNIQUES} techniques (objects of type attack-pattern)")
    rows: dict[str, dict[str, Any]] = {}
    errors: list[dict[str, str]] = []
    for one in techniques:
        try:
            row = _row(_Technique.model_validate(one))
        except (ValidationError, ValueError) as error:
            why = f"{error.error_count()} fields are wrong" if isinstance(error, ValidationError) else str(error)
            errors.append({"pattern": str(one.get("name") or one.get("id") or "")[:512], "error": why})
            continue
        if row["pattern_id"] not in rows or rows[row["pattern_id"]]["revoked"]:
            rows[row["pattern_id"]] = row
    return Bundle(list(rows.values()), errors)


def _row(given: _Technique) -> dict[str, Any]:
    own = next((one for one in given.external_references if one.external_id and one.source_name.startswith("mitre")), None)
    own = own or next((one for one in given.external_references if one.external_id), None)
    if own is None:
        raise ValueError("it has no external id such as T1059")
    row = {
        "pattern_id": own.external_id, "name": given.name, "description": given.description,
        "tactics": list(dict.fromkeys(one.phase_name for one in given.kill_chain_phases)), "url": own.url,
        "revoked": given.revoked or given.x_mitre_deprecated, "platforms": given.x_mitre_platforms,
        "data_sources": given.x_mitre_data_sources,
        "parent": own.external_id.partition(".")[0] if "." in own.external_id else None,
    }  # fmt: skip
    if "\0" in orjson.dumps(row).decode() or "\\u0000" in orjson.dumps(row).decode():
        raise ValueError("it holds the character NUL")
    return row
