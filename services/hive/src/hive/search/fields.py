"""What the fields of registers are made of: where a value lies, how it is compared, and what an index finds it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hive.catalogue import Catalogue
from hive.observables.values import value_key
from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS
from waggle.query import Bind, Entity, Field, Side

TLP = {number: (word,) for number, word in enumerate(TLP_LEVELS)}
PAP = {number: (word,) for number, word in enumerate(PAP_LEVELS)}
NUMERIC = ("integer", "float", "date")
KINDS_NAMED = (*NUMERIC, "string", "boolean", "url", "number")
KEY_LENGTH = 200


def _assigned(bind: Bind, login: str) -> str:
    """By the user's key, which indexes have."""
    return f"{{t}}.assignee_id = (SELECT u.id FROM users u WHERE u.login = {bind(login, 'text')})"


def has_data(bind: Bind, data: str) -> str:
    """By both keys the value may have: types without regard to case fold it."""
    keys = bind([value_key(data, case_sensitive=True), value_key(data, case_sensitive=False)], "uuid[]")
    return f"({{t}}.value_key = ANY({keys}) AND {{t}}.data = {bind(data, 'text')})"


ASSIGNEE = Field("(SELECT u.login FROM users u WHERE u.id = {t}.assignee_id)", equal=_assigned)


HASHES = Field("(SELECT ARRAY[encode(b.sha256, 'hex'), b.sha1, b.md5] FROM blobs b WHERE b.sha256 = {t}.sha256)", "list")


def common() -> dict[str, Field]:
    return {
        "_id": Field("{t}.id", "id"), "id": Field("{t}.id", "id"),
        "_createdBy": Field("{t}.created_by"), "_createdAt": Field("{t}.created_at", "integer"),
        "_updatedBy": Field("{t}.updated_by"), "_updatedAt": Field("{t}.updated_at", "integer"),
        "version": Field("{t}.version", "integer"),
    }  # fmt: skip


def texts(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}") for name, column in columns.items()}


def numbers(**columns: str) -> dict[str, Field]:
    """Counts and times (ms)."""
    return {name: Field(f"{{t}}.{column}", "integer") for name, column in columns.items()}


def flags(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}", "boolean") for name, column in columns.items()}


def ids(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}", "id") for name, column in columns.items()}


def markings(tlp: Mapping[int, tuple[str, ...]] = TLP) -> dict[str, Field]:
    return {"tlp": Field("{t}.tlp", "scale", words=tlp), "pap": Field("{t}.pap", "scale", words=PAP)}


def tags(
    table: str, owner: str, date: str | None = "date", org: str | None = "org_id", *, alone: bool = False
) -> dict[str, Field]:
    """`date` and `org` None for cases: their lists are driven from shares, and a received case has its owner's tags."""
    return {"tags": Field("{t}.tags", "list", side=Side(table, owner, "tag", date=date, org=org, alone=alone))}


def between(later: str, earlier: str) -> str:
    """A duration in ms: null while an end is missing, never negative (a clock may jump back)."""
    return f"(CASE WHEN {later} < {earlier} THEN 0 ELSE {later} - {earlier} END)"


def durations(**spans: str) -> dict[str, Field]:
    return {name: Field(span, "integer") for name, span in spans.items()}


def handling(span: str) -> dict[str, Field]:
    """How long it took, also in whole larger units."""
    units = {"": 1, "InSeconds": 1000, "InMinutes": 60_000, "InHours": 3_600_000, "InDays": 86_400_000}
    return durations(**{f"computed.handlingDuration{name}": f"({span} / {width})" for name, width in units.items()})


def labels() -> dict[str, Field]:
    """The words beside the numbers of severity and markings."""
    severity = "(CASE {t}.severity WHEN 1 THEN 'LOW' WHEN 2 THEN 'MEDIUM' WHEN 3 THEN 'HIGH' WHEN 4 THEN 'CRITICAL' END)"
    return {"severityLabel": Field(severity), **texts(tlpLabel="tlp", papLabel="pap")}


def verdicts() -> dict[str, Field]:
    """The verdict lines of an observable: as they are read (`Parts:Score="9"`), and by their parts."""
    columns = {"taxonomies": "label"} | {f"taxonomies.{c}": c for c in ("level", "namespace", "predicate", "value", "analyzer")}
    return {name: Field("", side=Side("verdicts", "observable_id", column, org=None)) for name, column in columns.items()}


def own(entity: Entity) -> Entity:
    """The organisation's own alone: lists of observables and jobs, which may also be reached through a received case."""
    return replace(entity, org="org_id")


def _key(value: Any) -> Any:
    """A value as the column `key` holds it: the word of a boolean, the first characters of a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return value[:KEY_LENGTH] if isinstance(value, str) else value


def custom_fields(kind: str, catalogue: Catalogue) -> Callable[[str], Field | None]:
    """`customFields.<name>`, classic also with `.<type>` behind it: the definition's type picks the column that is compared."""
    shared = kind == "case"  # a received case has its owner's values, and lists of cases are driven from shares

    def find(name: str) -> Field | None:
        if not name.startswith("customFields."):
            return None
        wanted = name.removeprefix("customFields.")
        bare, _, kind_named = wanted.rpartition(".")
        definition = catalogue.fields.get(wanted) or (catalogue.fields.get(bare) if kind_named in KINDS_NAMED else None)
        if definition is None:
            return None
        numeric = definition.type in NUMERIC
        side = Side(
            f"{kind}_fields", f"{kind}_id", "number" if numeric else "key", fixed={"field_no": definition.number}, row="id",
            date=None if shared else "date", org=None if shared else "org_id", alone=not shared,
        )  # fmt: skip
        return Field("", "float", side=side) if numeric else Field("", side=side, read=_key)

    return find


def with_custom_fields(entity: Entity, catalogue: Catalogue) -> Entity:
    """The register with the custom fields there are now."""
    kind = entity.kind
    return replace(entity, custom=custom_fields(kind, catalogue)) if kind in ("alert", "case") else entity
