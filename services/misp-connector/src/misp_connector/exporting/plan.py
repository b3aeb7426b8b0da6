"""What an export wants MISP to hold: an event, its attributes and objects. Values only; `wanted` makes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from waggle.contracts.messages.misp import ExportFile


@dataclass(frozen=True, slots=True)
class WantedAttribute:
    uuid: str
    type: str
    category: str
    value: str
    to_ids: bool
    comment: str
    observables: tuple[str, ...]
    """Ids of the observables it stands for."""
    tags: tuple[str, ...] = ()
    first_seen: str | None = None
    """ISO 8601."""
    last_seen: str | None = None
    relation: str | None = None
    """In an object: what the attribute is to it."""
    file: ExportFile | None = None
    packed: bool = False
    """The content is MISP's own archive already."""
    sighted_at: int | None = None
    """Seconds: when an analyst saw it."""
    foreign: bool = False
    """It came from the very event that is edited: found there, and never changed by us."""

    def body(self) -> dict[str, Any]:
        """As MISP takes it, without the content of a file."""
        body = {
            "uuid": self.uuid, "type": self.type, "category": self.category, "value": self.value, "to_ids": self.to_ids,
            "comment": self.comment, "distribution": "5", "first_seen": self.first_seen, "last_seen": self.last_seen,
            "object_relation": self.relation, "Tag": [{"name": tag} for tag in self.tags],
        }  # fmt: skip
        return {name: value for name, value in body.items() if value not in (None, [])}

    def fingerprint(self) -> str:
        """Of what an edit would carry: equal means that nothing has to be sent again."""
        shown = [self.value, self.to_ids, self.comment, self.first_seen, self.last_seen, sorted(self.tags)]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WantedObject:
    uuid: str
    name: str
    attributes: tuple[WantedAttribute, ...]
    template: dict[str, Any]
    """Its definition, as MISP publishes it."""

    def body(self, attributes: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "uuid": self.uuid, "name": self.name, "meta-category": self.template["meta-category"],
            "description": self.template["description"], "template_uuid": self.template["uuid"],
            "template_version": str(self.template["version"]), "distribution": "5", "Attribute": attributes,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class WantedEvent:
    uuid: str
    head: dict[str, str]
    """Columns of the event that are ours to set."""
    tags: tuple[str, ...]
    attributes: tuple[WantedAttribute, ...]
    objects: tuple[WantedObject, ...]
    skipped: dict[str, str]
    """Observables that make no attribute, with the reason."""

    def members(self) -> list[WantedAttribute]:
        return [*self.attributes, *(one for holder in self.objects for one in holder.attributes)]
