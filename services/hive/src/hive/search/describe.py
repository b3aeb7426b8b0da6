"""What each list can be searched, sorted and counted by: read from the registers that compile the queries (hive-v1 §1.7)."""

from __future__ import annotations

from typing import Any, Final, Literal

from typing_extensions import TypedDict

from hive.catalogue import Catalogue
from hive.search.fields import with_custom_fields
from hive.search.pipeline import SOURCES
from waggle.errors import NotFound
from waggle.query import Entity, Field
from waggle.query.register import FieldKind

Kind = Literal["string", "number", "date", "duration", "boolean", "id", "user", "enumeration"]
EQUALITY: Final = ["_eq", "_ne", "_in", "_has"]
ORDER: Final = ["_gt", "_gte", "_lt", "_lte", "_between"]
TEXT: Final = ["_like", "_match", "_startsWith", "_endsWith"]
OPERATORS: Final[dict[FieldKind, list[str]]] = {
    "text": [*EQUALITY, *ORDER, *TEXT], "list": [*EQUALITY, *ORDER, *TEXT], "integer": [*EQUALITY, *ORDER],
    "float": [*EQUALITY, *ORDER], "scale": [*EQUALITY, *ORDER], "boolean": EQUALITY, "id": EQUALITY, "uuid": EQUALITY,
    "computed": EQUALITY,
}  # fmt: skip
KINDS: Final[dict[FieldKind, Kind]] = {
    "text": "string", "list": "string", "integer": "number", "float": "number", "scale": "number", "boolean": "boolean",
    "id": "id", "uuid": "id", "computed": "enumeration",
}  # fmt: skip
USERS: Final = ("_createdBy", "_updatedBy", "createdBy", "updatedBy", "assignee", "user", "owner", "login")
DURATIONS: Final = ("timeTo", "handlingDuration", "computed.handlingDuration")
SCALES: Final[dict[str, tuple[list[int], list[str]]]] = {
    "severity": ([1, 2, 3, 4], ["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
    "tlp": ([0, 1, 2, 3, 4], ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]),
    "pap": ([0, 1, 2, 3], ["CLEAR", "GREEN", "AMBER", "RED"]),
}
RUNS: Final = ["Waiting", "InProgress", "Success", "Failure", "Deleted"]
STAGES: Final = ["New", "InProgress", "Closed"]
WORDS: Final[dict[tuple[str, str], list[str]]] = {
    ("task", "status"): ["Waiting", "InProgress", "Completed", "Cancel"], ("job", "status"): RUNS, ("action", "status"): RUNS,
    ("case", "impactStatus"): ["NotApplicable", "WithImpact", "NoImpact"], ("case", "stage"): STAGES,
    ("alert", "stage"): [*STAGES, "Imported"], ("case status", "stage"): STAGES, ("alert status", "stage"): [*STAGES, "Imported"],
    ("audit", "action"): ["create", "update", "delete", "merge"],
    ("observable", "taxonomies.level"): ["info", "safe", "suspicious", "malicious"],
}  # fmt: skip


class OutputAttribute(TypedDict):
    """`several`: an object may have more than one value; an operator then holds if any of them passes."""

    name: str
    type: Kind
    several: bool
    operators: list[str]
    values: list[Any]
    labels: list[str]
    description: str


class OutputModel(TypedDict):
    label: str
    path: str
    list: str
    attributes: list[OutputAttribute]


def names() -> dict[str, str]:
    """The models by name (`caseTemplate`), each with the name its list step ends in (`CaseTemplate`)."""
    return {f"{source[0].lower()}{source[1:]}": source for source in SOURCES}


def described(model: str, catalogue: Catalogue) -> OutputModel:
    """One kind of object with the custom fields and statuses there are now. Raises NotFound."""
    source = names().get(model)
    if source is None:
        raise NotFound(f"Model {model[:64]} not found")
    entity = with_custom_fields(SOURCES[source].entity, catalogue)
    attributes = [_attribute(entity, name, field, catalogue) for name, field in entity.fields.items()]
    if entity.custom is not None:
        for one in catalogue.fields.values():
            name = f"customFields.{one.name}"
            found = entity.find(name)
            assert found is not None
            shown = _attribute(entity, name, found, catalogue)
            kind: Kind = "date" if one.type == "date" else "enumeration" if one.options else shown["type"]
            attributes.append({**shown, "type": kind, "values": list(one.options), "description": one.display_name})
    return {"label": entity.kind, "path": f"/{model}", "list": f"list{source}", "attributes": attributes}


def _attribute(entity: Entity, name: str, field: Field, catalogue: Catalogue) -> OutputAttribute:
    values, labels = SCALES.get(name, (_values(entity, name, field, catalogue), []))
    return {
        "name": name, "type": _kind(name, field, bool(values)), "several": field.side is not None or field.kind == "list",
        "operators": OPERATORS[field.kind], "values": list(values), "labels": labels, "description": "",
    }  # fmt: skip


def _kind(name: str, field: Field, listed: bool) -> Kind:
    if name.startswith(DURATIONS):
        return "duration"
    if field.kind == "integer" and (name.endswith(("Date", "At")) or name in ("date", "includeInTimeline")):
        return "date"
    if field.kind == "text" and listed:
        return "enumeration"
    return "user" if name in USERS and field.kind == "text" else KINDS[field.kind]


def _values(entity: Entity, name: str, field: Field, catalogue: Catalogue) -> list[Any]:
    if field.kind == "computed":
        return list(field.cases)
    if name == "status" and entity.kind in ("alert", "case"):
        return [status.partition(":")[2] for status in catalogue.statuses if status.startswith(f"{entity.kind}:")]
    if (entity.kind, name) == ("observable", "dataType"):
        return sorted(catalogue.types)
    return WORDS.get((entity.kind, name), [])
