"""A MISP event as this service trusts it: read leniently from JSON, then typed.

Numbers arrive as strings from REST, as integers or not at all in exports found in the wild (contract misp §0), so every
field is read by a function that never raises. Only an event without a UUID is refused: nothing identifies it.
NUL characters and lone surrogates are dropped, because PostgreSQL stores neither.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

ThreatLevel = Literal[1, 2, 3, 4]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnreadableEvent(ValueError):
    """The document is no MISP event; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Tag:
    name: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """One galaxy cluster; `tactics` are the kill-chain phases its `meta` names, as `mitre-attack:execution`."""

    galaxy: str
    value: str
    tag_name: str
    tactics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    uuid: str
    type: str
    category: str
    value: str
    to_ids: bool
    comment: str
    timestamp: int
    deleted: bool
    first_seen: int | None
    """Milliseconds."""
    last_seen: int | None
    object_relation: str
    tags: tuple[Tag, ...]
    seen: bool
    """Whether a sighting of type 0 (seen) is attached."""
    warned: bool
    """Whether a warning list holds the value (only when the query asked for it)."""
    data: str | None
    """Base64 content of an attachment or malware sample, when the source embeds it."""


@dataclass(frozen=True, slots=True)
class Object:
    uuid: str
    name: str
    comment: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Event:
    uuid: str
    id: str | None
    """The number on its server; feeds have none."""
    info: str
    date: str
    threat_level: ThreatLevel
    analysis: int
    distribution: int | None
    published: bool
    timestamp: int
    publish_timestamp: int
    extends_uuid: str | None
    creator: str
    creator_uuid: str
    tags: tuple[Tag, ...]
    clusters: tuple[Cluster, ...]
    reports: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    objects: tuple[Object, ...]

    def members(self) -> Iterator[tuple[Attribute, Object | None]]:
        """Every attribute in the order of the event: loose ones first, then object by object."""
        for attribute in self.attributes:
            yield attribute, None
        for holder in self.objects:
            for attribute in holder.attributes:
                yield attribute, holder


def parse_event(document: object) -> Event:
    """The event in any shape found in the wild: bare, `{Event}`, `{response: [{Event}]}`, `{response: [event]}`.

    Raises UnreadableEvent when there is no event or no UUID in it.
    """
    raw = _unwrap(document)
    identity = read_uuid(raw.get("uuid"))
    if identity is None:
        raise UnreadableEvent("the event has no valid uuid")
    creator = read_mapping(raw.get("Orgc")) or read_mapping(raw.get("Org"))
    tags = _tags(raw)
    return Event(
        uuid=identity,
        id=read_text(raw.get("id")) or None,
        info=read_text(raw.get("info")),
        date=read_text(raw.get("date")),
        threat_level=_threat_level(raw.get("threat_level_id")),
        analysis=read_int(raw.get("analysis")) or 0,
        distribution=read_int(raw.get("distribution")),
        published=read_bool(raw.get("published")),
        timestamp=read_int(raw.get("timestamp")) or 0,
        publish_timestamp=read_int(raw.get("publish_timestamp")) or 0,
        extends_uuid=read_uuid(raw.get("extends_uuid")),
        creator=read_text(creator.get("name")),
        creator_uuid=read_text(creator.get("uuid")),
        tags=tags,
        clusters=_clusters(raw),
        reports=tuple(read_text(report.get("name")) for report in read_mappings(raw.get("EventReport"))),
        attributes=tuple(_attributes(identity, raw.get("Attribute"))),
        objects=tuple(_objects(identity, raw.get("Object"))),
    )


def read_text(value: object) -> str:
    """The text of a scalar; "" for null and for anything that is no scalar."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _UNSTORABLE.sub("", str(value))


def read_int(value: object) -> int | None:
    """A whole number from a number or its text; None when it is neither. Bounded to PostgreSQL's bigint."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 2**63 else None


def read_bool(value: object) -> bool:
    """A flag from a boolean, a number or their texts; anything else is false."""
    return value is True or value == 1 or (isinstance(value, str) and value.strip().lower() in {"1", "true"})


def read_uuid(value: object) -> str | None:
    """The canonical text of a UUID; None for anything that is none."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def read_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def read_mappings(value: object) -> Sequence[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def read_moment(value: object) -> int | None:
    """`first_seen` and `last_seen` in milliseconds: ISO 8601, or epoch seconds in old exports; None when unreadable.

    TheHive 5.2 fell over events that carry them (threats S37), so an odd form is dropped and never fatal.
    """
    seconds = read_int(value)
    if seconds is not None:
        return seconds * 1000 if 0 <= seconds < 2**40 else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def tag_names(raw: Mapping[str, object]) -> tuple[str, ...]:
    """The tags of an event or an index row: `Tag` in events, `EventTag[].Tag` on the index (contract misp §0)."""
    return tuple(tag.name for tag in _tags(raw))


def _unwrap(document: object) -> Mapping[str, object]:
    if isinstance(document, list):
        if len(document) != 1:
            raise UnreadableEvent(f"the document is a list of {len(document)}, not one event")
        return _unwrap(document[0])
    if not isinstance(document, Mapping):
        raise UnreadableEvent("the document is no JSON object")
    for key in ("response", "Event"):
        if isinstance(document.get(key), list | Mapping):
            return _unwrap(document[key])
    return document


def _threat_level(value: object) -> ThreatLevel:
    level = read_int(value)
    return level if level in (1, 2, 3) else 4  # type: ignore[return-value]  # narrowed to 1, 2 or 3


def _tags(raw: Mapping[str, object]) -> tuple[Tag, ...]:
    found = [*read_mappings(raw.get("Tag"))]
    found += [read_mapping(link.get("Tag")) for link in read_mappings(raw.get("EventTag"))]
    names = (read_text(tag.get("name")).strip() for tag in found)
    return tuple(Tag(name) for name in dict.fromkeys(names) if name)


def _clusters(raw: Mapping[str, object]) -> tuple[Cluster, ...]:
    return tuple(
        Cluster(
            galaxy=read_text(galaxy.get("name")),
            value=read_text(cluster.get("value")),
            tag_name=read_text(cluster.get("tag_name")),
            tactics=_tactics(cluster),
        )
        for galaxy in read_mappings(raw.get("Galaxy"))
        for cluster in read_mappings(galaxy.get("GalaxyCluster"))
    )


def _tactics(cluster: Mapping[str, object]) -> tuple[str, ...]:
    phases = read_mapping(cluster.get("meta")).get("kill_chain")
    return tuple(read_text(phase) for phase in phases) if isinstance(phases, list) else ()


def _attributes(event_uuid: str, raw: object) -> Iterator[Attribute]:
    for item in read_mappings(raw):
        kind, value = read_text(item.get("type")), read_text(item.get("value"))
        # hand-made exports lack attribute uuids: derive one, so that a second reading finds the same attribute
        identity = read_uuid(item.get("uuid")) or str(uuid.uuid5(uuid.UUID(event_uuid), f"{kind}|{value}"))
        data = item.get("data")
        yield Attribute(
            uuid=identity,
            type=kind,
            category=read_text(item.get("category")),
            value=value,
            to_ids=read_bool(item.get("to_ids")),
            comment=read_text(item.get("comment")).strip(),
            timestamp=read_int(item.get("timestamp")) or 0,
            deleted=read_bool(item.get("deleted")),
            first_seen=read_moment(item.get("first_seen")),
            last_seen=read_moment(item.get("last_seen")),
            object_relation=read_text(item.get("object_relation")),
            tags=_tags(item),
            seen=any(read_text(sighting.get("type")) == "0" for sighting in read_mappings(item.get("Sighting"))),
            warned=bool(item.get("warnings")),
            data=data if isinstance(data, str) and data else None,
        )


def _objects(event_uuid: str, raw: object) -> Iterator[Object]:
    for item in read_mappings(raw):
        if read_bool(item.get("deleted")):
            continue
        yield Object(
            uuid=read_uuid(item.get("uuid")) or "",
            name=read_text(item.get("name")),
            comment=read_text(item.get("comment")).strip(),
            attributes=tuple(_attributes(event_uuid, item.get("Attribute"))),
        )
