"""What a MISP server remembers, and the rules it follows (contract misp §0, §3.5, §8.3): the part of the double without HTTP."""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]


class MispState:
    """Events in REST form, numbers as strings. `clock` is in seconds and moves only when a test moves it."""

    def __init__(self, *, clock: int = 1_700_000_000, seed: int = 1) -> None:
        self.clock = clock
        self.events: dict[str, Json] = {}
        self._next = {"event": 0, "other": 0}
        self._numbers: dict[str, str] = {}
        self._random = random.Random(seed)

    def number(self, kind: str = "other") -> str:
        self._next[kind] += 1
        return str(self._next[kind])

    # changes, as an analyst makes them on the server

    def add(self, event: Json, *, published: bool = True, number: str | None = None) -> str:
        """Takes an event in feed or REST form; returns its uuid."""
        own = copy.deepcopy(event)
        own.setdefault("uuid", str(uuid.uuid4()))
        number = number or self.number("event")
        own |= {
            "id": number,
            "org_id": "1",
            "orgc_id": "2",
            "distribution": str(own.get("distribution", "3")),
            "published": False,
            "timestamp": str(own.get("timestamp") or self.clock),
            "publish_timestamp": "0",
            "threat_level_id": str(own.get("threat_level_id", "4")),
            "analysis": str(own.get("analysis", "0")),
            "date": own.get("date", "2026-01-01"),
            "Org": {"id": "1", "name": "Local", "uuid": str(uuid.UUID(int=1))},
            "Orgc": {"id": "2", "uuid": str(uuid.UUID(int=2)), "name": "Example CERT", **own.get("Orgc", {})},
            "Attribute": [self._attribute(a, number) for a in own.get("Attribute") or []],
            "Object": [self._object(o, number) for o in own.get("Object") or []],
            "Tag": [self._tag(t) for t in own.get("Tag") or []],
            "Galaxy": own.get("Galaxy") or [],
            "ShadowAttribute": own.get("ShadowAttribute") or [],
        }
        self.events[own["uuid"]] = own
        self._numbers[number] = own["uuid"]
        if published:
            self.publish(own["uuid"])
        return str(own["uuid"])

    def publish(self, identity: str) -> None:
        self.events[identity] |= {"published": True, "publish_timestamp": str(self.clock)}

    def unpublish(self, identity: str) -> None:
        self.events[identity]["published"] = False

    def _edited(self, identity: str) -> None:
        self.events[identity] |= {"published": False, "timestamp": str(self.clock)}

    def add_attribute(self, identity: str, attribute: Json) -> str:
        stored = self._attribute({"timestamp": str(self.clock), **attribute}, self.events[identity]["id"])
        self.events[identity]["Attribute"].append(stored)
        self._edited(identity)
        return str(stored["uuid"])

    def edit_attribute(self, identity: str, attribute: str, **changes: Any) -> None:
        for stored, _ in self.attributes(self.events[identity]):
            if stored["uuid"] == attribute:
                stored |= {"timestamp": str(self.clock), **changes}
        self._edited(identity)

    def delete_attribute(self, identity: str, attribute: str, *, hard: bool = False) -> None:
        event = self.events[identity]
        if hard:
            event["Attribute"] = [a for a in event["Attribute"] if a["uuid"] != attribute]
            self._edited(identity)
        else:
            self.edit_attribute(identity, attribute, deleted=True)

    def set(self, identity: str, **fields: Any) -> None:
        if "Tag" in fields:
            fields["Tag"] = [self._tag(tag) for tag in fields["Tag"]]
        self.events[identity] |= fields
        self._edited(identity)

    def delete(self, identity: str) -> None:
        del self.events[identity]

    # what the server gives back

    def find(self, identity: str) -> Json | None:
        return self.events.get(identity) or self.events.get(self._numbers.get(identity, ""))

    def candidates(self, query: Json) -> list[Json]:
        """The events that a query may be about, by their numbers: found at once where it names them."""
        wanted = query.get("eventid")
        named = [str(w) for w in (wanted if isinstance(wanted, list) else [wanted])] if wanted else []
        if named and not any(name.startswith("!") for name in named):
            return [event for name in named if (event := self.find(name))]
        return sorted(self.events.values(), key=lambda e: int(e["id"]))

    @staticmethod
    def attributes(event: Json) -> Iterator[tuple[Json, Json | None]]:
        for attribute in event["Attribute"]:
            yield attribute, None
        for holder in event["Object"]:
            for attribute in holder["Attribute"]:
                yield attribute, holder

    def complete(self, event: Json, *, attachments: bool, deleted: bool = False) -> Json:
        shown = copy.deepcopy(event)
        shown["attribute_count"] = str(sum(1 for a, _ in self.attributes(event) if not a["deleted"]))
        for holder in [shown, *shown["Object"]]:
            holder["Attribute"] = [a for a in holder["Attribute"] if deleted or not a["deleted"]]
            for attribute in holder["Attribute"]:
                if not attachments:
                    attribute.pop("data", None)
        return shown

    def index(self, query: Json) -> list[Json]:
        """Rows of `events/index`. Rows that tie in the sort column come in a different order each time, except by id."""
        rows = [event for event in self.events.values() if self._matches(event, query)]
        sort = str(query.get("sort") or "id")
        self._random.shuffle(rows)
        rows.sort(key=lambda e: int(e.get(sort) or 0), reverse=query.get("direction") == "desc")
        limit = int(query.get("limit") or 0)
        if limit:
            start = (int(query.get("page") or 1) - 1) * limit
            rows = rows[start : start + limit]
        return [self._head(row) for row in rows]

    def _head(self, event: Json) -> Json:
        head = {
            k: v for k, v in event.items() if k not in ("Attribute", "Object", "Tag", "Galaxy", "ShadowAttribute", "EventReport")
        }
        count = sum(1 for attribute, _ in self.attributes(event) if not attribute["deleted"])
        links = [
            {"id": str(n), "event_id": event["id"], "tag_id": tag["id"], "local": False, "Tag": tag}
            for n, tag in enumerate(event["Tag"], start=1)
        ]
        return head | {"attribute_count": str(count), "EventTag": links, "GalaxyCluster": []}

    def _matches(self, event: Json, query: Json) -> bool:
        return (
            _published(event, query.get("published"))
            and _in_range(event["publish_timestamp"], query.get("publish_timestamp"))
            and _in_range(event["timestamp"], query.get("timestamp"))
            and _identified(event, query.get("eventid"))
        )

    # forms of what is stored

    def _attribute(self, attribute: Json, event_id: str, object_id: str = "0") -> Json:
        stored: Json = {
            "uuid": str(uuid.uuid4()),
            "category": "Network activity",
            "to_ids": True,
            "comment": "",
            "timestamp": str(self.clock),
            "distribution": "5",
            "sharing_group_id": "0",
            "deleted": False,
            "disable_correlation": False,
            "object_relation": None,
            "first_seen": None,
            "last_seen": None,
            "Galaxy": [],
            "ShadowAttribute": [],
            **attribute,
        }
        stored |= {"id": self.number(), "event_id": event_id, "object_id": object_id}
        stored["timestamp"] = str(stored["timestamp"])
        if stored.get("Tag"):
            stored["Tag"] = [self._tag(tag) for tag in stored["Tag"]]
        return stored

    def _object(self, holder: Json, event_id: str) -> Json:
        number = self.number()
        return {
            "uuid": str(uuid.uuid4()),
            "name": "file",
            "meta-category": "file",
            "comment": "",
            "deleted": False,
            "ObjectReference": [],
            **holder,
            "id": number,
            "event_id": event_id,
            "Attribute": [self._attribute(a, event_id, number) for a in holder.get("Attribute") or []],
        }

    @staticmethod
    def _tag(tag: Json | str) -> Json:
        tag = {"name": tag} if isinstance(tag, str) else tag
        return {"id": str(abs(hash(tag["name"])) % 10_000), "colour": "#ffffff", "exportable": True, "is_galaxy": False, **tag}


def _published(event: Json, wanted: Any) -> bool:
    if wanted is None or str(wanted) == "2":
        return True
    return bool(event["published"]) == (wanted is True or str(wanted) == "1")


def _in_range(value: str, wanted: Any) -> bool:
    if not wanted:
        return True
    if isinstance(wanted, list):
        return int(wanted[0]) <= int(value) <= int(wanted[1])
    return int(value) >= int(wanted)


def _identified(event: Json, wanted: Any) -> bool:
    if not wanted:
        return True
    asked = [str(w) for w in (wanted if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted])]
    refused = {w[1:] for w in asked if w.startswith("!")}
    named = {w for w in asked if not w.startswith("!")}
    own = {event["id"], event["uuid"]}
    return not (own & refused) and (not named or bool(own & named))
