"""Observables that came from MISP go back as exactly the attribute they were, as long as it still says the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from misp_connector.exporting.normal import normal
from misp_connector.exporting.types import valid_pair
from misp_connector.mapping.event import read_bool, read_int, read_mapping, read_mappings, read_text, read_uuid
from misp_connector.mapping.type_table import Rule
from misp_connector.mapping.values import rule_of, split_value
from waggle.contracts.messages.misp import ExportObservable
from waggle.contracts.vocabulary import CASE_INSENSITIVE_TYPES


@dataclass(frozen=True, slots=True)
class Source:
    """An attribute of an event as the import noted it in an observable's origin."""

    uuid: str
    event: str
    type: str
    category: str
    value: str
    to_ids: bool
    comment: str
    object_uuid: str | None
    template: str
    relation: str
    first_seen: str | None
    last_seen: str | None

    @property
    def is_file(self) -> bool:
        return rule_of(self.type) in (Rule.ATTACHMENT, Rule.MALWARE_SAMPLE)


Known = Mapping[tuple[str, str], ExportObservable]
"""The observables that leave, by type and folded value."""


def key_of(data_type: str, data: str) -> tuple[str, str]:
    if data_type == "ip":
        return data_type, normal("ip-dst", data)
    return data_type, data.strip().lower() if data_type in CASE_INSENSITIVE_TYPES else data.strip()


def known_values(observables: Iterable[ExportObservable]) -> Known:
    return {key_of(one.data_type, one.data): one for one in observables if one.data is not None}


def sources_of(observable: ExportObservable) -> Iterator[Source]:
    origin = read_mapping(observable.origin)
    event = read_uuid(origin.get("event"))
    for raw in read_mappings(origin.get("sources")) if event else ():
        identity = read_uuid(raw.get("attribute"))
        if identity and event:
            yield _source(raw, identity, event, observable)


def _source(raw: Mapping[str, object], identity: str, event: str, observable: ExportObservable) -> Source:
    told = read_mapping(read_mapping(observable.origin).get("told")).get("message")
    edited = observable.message if told != observable.message else None
    return Source(
        uuid=identity,
        event=event,
        type=read_text(raw.get("type")),
        category=read_text(raw.get("category")),
        value=read_text(raw.get("value")) or observable.data or "",
        to_ids=read_bool(raw.get("to_ids")),
        comment=read_text(raw.get("comment")) if edited is None else edited,
        object_uuid=read_uuid(raw.get("object")),
        template=read_text(raw.get("template")),
        relation=read_text(raw.get("relation")),
        first_seen=moment(raw.get("first_seen")),
        last_seen=moment(raw.get("last_seen")),
    )


def partners(source: Source, observable: ExportObservable, known: Known) -> tuple[ExportObservable, ...] | None:
    """All observables that the attribute stands for; None when it may not go back as it was: its value is another by now,

    or one of its halves stays here (the half of a composite that is held back must not leave inside the other's).
    """
    if not valid_pair(source.category, source.type):
        return None
    if source.is_file:
        return (observable,) if observable.file else None
    parts = [key_of(part.data_type, part.data) for part in split_value(source.type, source.value)]
    if key_of(observable.data_type, observable.data or "") not in parts or any(part not in known for part in parts):
        return None
    return tuple({known[part].id: known[part] for part in parts}.values())


def detects(source: Source, together: Iterable[ExportObservable]) -> bool:
    """The attribute's own flag while nobody changed it here: a value may be an indicator in one attribute and not in another."""
    edited = [one for one in together if read_mapping(read_mapping(one.origin).get("told")).get("ioc", source.to_ids) != one.ioc]
    return all(one.ioc for one in edited) if edited else source.to_ids


def moment(value: Any) -> str | None:
    """Milliseconds as ISO 8601."""
    milliseconds = read_int(value)
    if milliseconds is None or not 0 <= milliseconds < 2**47:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
