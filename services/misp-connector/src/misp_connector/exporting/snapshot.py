"""What MISP holds of an event, read from its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from misp_connector.exporting.normal import normal
from misp_connector.exporting.plan import WantedAttribute
from misp_connector.mapping.event import read_bool, read_int, read_mapping, read_mappings, read_text, tag_names

HEAD = ("info", "date", "threat_level_id", "analysis", "distribution", "sharing_group_id")


@dataclass(frozen=True, slots=True)
class Found:
    """An attribute on the server."""

    uuid: str
    type: str
    value: str
    """As `normal` makes it."""
    to_ids: bool
    comment: str
    object_uuid: str | None
    sighted_at: frozenset[int]
    """Seconds, of all sightings."""

    def says(self, wanted: WantedAttribute) -> bool:
        """Whether an edit would change nothing. Tags and moments are not compared: MISP writes them in other ways."""
        same_value = self.value == normal(wanted.type, wanted.value)
        return same_value and self.to_ids == wanted.to_ids and self.comment.strip() == wanted.comment.strip()


@dataclass(frozen=True, slots=True)
class Snapshot:
    id: str
    published: bool
    head: Mapping[str, str]
    tags: tuple[str, ...]
    attributes: Mapping[str, Found]
    """By uuid, those in objects included."""
    objects: frozenset[str]

    def find(self, wanted: WantedAttribute) -> Found | None:
        """The attribute by its uuid, or a loose one that says the same: MISP takes no second one."""
        mine = self.attributes.get(wanted.uuid)
        if mine is not None or wanted.relation is not None:
            return mine
        value = normal(wanted.type, wanted.value)
        return next(
            (
                one
                for one in self.attributes.values()
                if one.object_uuid is None and (one.type, one.value) == (wanted.type, value)
            ),
            None,
        )


def snapshot_of(answer: Mapping[str, object]) -> Snapshot:
    event = read_mapping(answer.get("Event")) or answer
    attributes = {one.uuid: one for one in _found(event, None)}
    holders = read_mappings(event.get("Object"))
    for holder in holders:
        attributes |= {one.uuid: one for one in _found(holder, read_text(holder.get("uuid")))}
    return Snapshot(
        id=read_text(event.get("id")),
        published=read_bool(event.get("published")),
        head={name: read_text(event.get(name)) for name in HEAD},
        tags=tag_names(event),
        attributes=attributes,
        objects=frozenset(read_text(holder.get("uuid")) for holder in holders),
    )


def _found(raw: Mapping[str, object], holder: str | None) -> list[Found]:
    return [
        Found(
            uuid=read_text(one.get("uuid")),
            type=read_text(one.get("type")),
            value=normal(read_text(one.get("type")), read_text(one.get("value"))),
            to_ids=read_bool(one.get("to_ids")),
            comment=read_text(one.get("comment")),
            object_uuid=holder,
            sighted_at=frozenset(read_int(sighting.get("date_sighting")) or 0 for sighting in read_mappings(one.get("Sighting"))),
        )
        for one in read_mappings(raw.get("Attribute"))
        if not read_bool(one.get("deleted"))
    ]
