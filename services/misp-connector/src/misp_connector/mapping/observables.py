"""Attributes → observables: splitting, context, files, objects kept together, one observable per value."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from misp_connector.mapping.event import Attribute, Event, Object
from misp_connector.mapping.markings import is_marking, stricter, tlp_of
from misp_connector.mapping.model import (
    MappingOptions,
    MissingFile,
    Observable,
    Origin,
    Outcome,
    Reason,
    SourceAttribute,
    StoredFile,
)
from misp_connector.mapping.type_table import Rule
from misp_connector.mapping.values import Part, rule_of, split_value
from waggle.contracts.vocabulary import CASE_INSENSITIVE_TYPES, Tlp

TAG_LENGTH = 128
"""Longest tag hive takes (contract hive-v1, InputAlert)."""

Files = Mapping[str, StoredFile | MissingFile]
"""Content of attachments by attribute uuid, fetched before the mapping."""


@dataclass(frozen=True, slots=True)
class _Piece:
    part: Part
    file: StoredFile | None = None


def holds_file(attribute: Attribute) -> bool:
    """Whether the attribute is one whose content has to be fetched before the event can be mapped."""
    return not attribute.deleted and rule_of(attribute.type) in (Rule.ATTACHMENT, Rule.MALWARE_SAMPLE)


def is_context(attribute: Attribute) -> bool:
    """An attribute that is no indicator by nature and was not marked as one."""
    return rule_of(attribute.type) is Rule.CONTEXT and not attribute.to_ids


def map_attributes(
    event: Event, *, options: MappingOptions, alert_tlp: Tlp, files: Files, own: frozenset[str]
) -> tuple[tuple[Observable, ...], tuple[Outcome, ...]]:
    """The observables of an event in its order, and one outcome per attribute, deleted ones included.

    Several attributes with one value make one observable that names them all; nothing of the weaker one is lost.
    """
    merged: dict[str, Observable] = {}
    outcomes = []
    for attribute, holder in event.members():
        made = [
            _observable(piece, attribute, holder, event=event, options=options, alert_tlp=alert_tlp)
            for piece in (() if attribute.uuid in own else _pieces(attribute, options, files))
        ]
        keys = []
        for observable in made:
            key = identity(observable)
            merged[key] = _merge(merged[key], observable) if key in merged else observable
            keys.append(key)
        outcomes.append(
            Outcome(
                attribute_uuid=attribute.uuid,
                object_uuid=holder.uuid or None if holder else None,
                timestamp=attribute.timestamp,
                hash=_fingerprint(made),
                observables=tuple(keys),
                reason=None if made else Reason.OWN if attribute.uuid in own else _reason(attribute, options),
            )
        )
    return tuple(merged.values()), tuple(outcomes)


def identity(observable: Observable) -> str:
    """What makes two observables of one event the same: type and value, folded as MISP folds it on save (misp §3.5)."""
    if observable.file:
        return f"file:{observable.file.sha256}"
    data = (observable.data or "").strip()
    if observable.data_type == "ip":
        data = str(ipaddress.ip_address(data))
    elif observable.data_type == "autonomous-system":
        data = data.upper().removeprefix("AS").strip()
    if observable.data_type in CASE_INSENSITIVE_TYPES:
        data = data.lower()
    return f"{observable.data_type}:{data}"


def clean_tags(*tags: str) -> tuple[str, ...]:
    """Tags without repeats and blanks, cut at the length hive takes."""
    return tuple(dict.fromkeys(tag.strip()[:TAG_LENGTH] for tag in tags if tag.strip()))


def _reason(attribute: Attribute, options: MappingOptions) -> Reason:
    if attribute.deleted:
        return Reason.DELETED
    if is_context(attribute):
        return Reason.DESCRIBED if options.context_attributes == "describe" else Reason.SKIPPED
    return Reason.EMPTY


def _pieces(attribute: Attribute, options: MappingOptions, files: Files) -> Iterator[_Piece]:
    if attribute.deleted or (is_context(attribute) and options.context_attributes != "import"):
        return
    match rule_of(attribute.type):
        case Rule.ATTACHMENT:
            yield _file_piece(attribute, attribute.value, files)
        case Rule.MALWARE_SAMPLE:
            name, _, md5 = attribute.value.rpartition("|")
            yield _file_piece(attribute, name or attribute.value, files)
            if name and md5.strip():
                yield _Piece(Part("hash", md5, lines=(f"filename: {name}",)))
        case _:
            yield from (_Piece(part) for part in split_value(attribute.type, attribute.value))


def _file_piece(attribute: Attribute, name: str, files: Files) -> _Piece:
    found = files.get(attribute.uuid, MissingFile("the source has no content for it"))
    if isinstance(found, MissingFile):
        return _Piece(
            Part(
                "other",
                name or attribute.uuid,
                tags=("misp:file-missing",),
                lines=(f"file not imported: {found.reason}",),
            )
        )
    return _Piece(Part("file", found.name, lines=(found.note,) if found.note else ()), file=found)


def _observable(
    piece: _Piece, attribute: Attribute, holder: Object | None, *, event: Event, options: MappingOptions, alert_tlp: Tlp
) -> Observable:
    part = piece.part
    paired = f'misp:pair="{attribute.uuid}"' if "|" in attribute.type or attribute.type == "malware-sample" else ""
    return Observable(
        data_type=part.data_type,
        data=None if piece.file else part.data,
        file=piece.file,
        message=_message(part, attribute, holder),
        tags=clean_tags(
            f'misp:type="{attribute.type}"',
            f'misp:category="{attribute.category}"',
            *options.observable_tags,
            *(tag.name for tag in attribute.tags if not is_marking(tag)),
            *part.tags,
            paired if part.lines and part.data_type != "registry" else "",
            f'misp:object="{holder.uuid}"' if holder and holder.uuid else "",
            "misp:warninglist" if attribute.warned else "",
        ),
        tlp=stricter(tlp_of(attribute.tags) or alert_tlp, alert_tlp),
        ioc=attribute.to_ids,
        sighted=attribute.seen,
        first_seen=attribute.first_seen or (attribute.timestamp * 1000 or None),
        origin=Origin(
            instance=options.instance,
            event_id=event.id,
            event_uuid=event.uuid,
            attribute_uuids=(attribute.uuid,),
            object_uuid=holder.uuid or None if holder else None,
            timestamp=attribute.timestamp,
            sources=(_source(attribute, holder),),
        ),
    )


def _source(attribute: Attribute, holder: Object | None) -> SourceAttribute:
    return SourceAttribute(
        uuid=attribute.uuid,
        type=attribute.type,
        category=attribute.category,
        value=attribute.value,
        to_ids=attribute.to_ids,
        comment=attribute.comment,
        object_uuid=holder.uuid or None if holder else None,
        object_name=holder.name if holder else "",
        relation=attribute.object_relation if holder else "",
        first_seen=attribute.first_seen,
        last_seen=attribute.last_seen,
    )


def _message(part: Part, attribute: Attribute, holder: Object | None) -> str:
    lines = []
    if holder:
        lines.append(f"{holder.name}/{attribute.object_relation}")
    lines.append(attribute.comment)
    if holder:
        lines.append(holder.comment)
    lines.extend(part.lines)
    for label, moment in (("first seen", attribute.first_seen), ("last seen", attribute.last_seen)):
        if moment is not None:
            lines.append(f"{label}: {datetime.fromtimestamp(moment / 1000, UTC).isoformat()}")
    return "\n".join(dict.fromkeys(line for line in lines if line))


def _merge(first: Observable, second: Observable) -> Observable:
    moments = [moment for moment in (first.first_seen, second.first_seen) if moment is not None]
    return replace(
        first,
        message="\n".join(dict.fromkeys(line for line in (first.message, second.message) if line)),
        tags=clean_tags(*first.tags, *second.tags),
        tlp=stricter(first.tlp, second.tlp),
        ioc=first.ioc or second.ioc,
        sighted=first.sighted or second.sighted,
        first_seen=min(moments, default=None),
        origin=replace(
            first.origin,
            attribute_uuids=tuple(dict.fromkeys(first.origin.attribute_uuids + second.origin.attribute_uuids)),
            timestamp=max(first.origin.timestamp, second.origin.timestamp),
            sources=tuple({source.uuid: source for source in (*first.origin.sources, *second.origin.sources)}.values()),
        ),
    )


def _fingerprint(observables: list[Observable]) -> str:
    """Over what the alert would show. Timestamps are left out: an edit that changes nothing visible is no change."""
    shown = [
        [o.data_type, o.data, o.file and (o.file.sha256, o.file.name), o.message, o.tags, o.tlp, o.ioc, o.sighted]
        for o in observables
    ]
    return hashlib.sha256(json.dumps(shown, separators=(",", ":")).encode()).hexdigest()
