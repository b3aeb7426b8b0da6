"""Writing over REST, with MISP's manners (contract misp §4.2): edits unpublish, `events/add` drops bad attributes without a
word, `attributes/add` says why, others' events may not be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from misp_double_rules import Bad, stored_form
from misp_double_state import Json, MispState

OWN_ORG = "1"
NO_PERMISSION = "You do not have permission to do that."
EXISTS = "Event already exists, if you would like to edit it, use the url in the location header."
SIMILAR = "A similar attribute already exists for this event."
MERGED = ("info", "date", "threat_level_id", "analysis", "distribution", "sharing_group_id")


CHANGEABLE = ("value", "to_ids", "comment", "first_seen", "last_seen", "category", "type")


class Refusal(Exception):
    def __init__(self, status: int, message: str, errors: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors


class Writes:
    """`role` is the user's; `known_tags` the tags that exist, None: all."""

    def __init__(self, state: MispState, role: Json, known_tags: set[str] | None) -> None:
        self.state, self.role, self.known_tags = state, role, known_tags

    def strategy(self, identity: str) -> Json:
        event = self._event(identity)
        own = [e for e in self.state.events.values() if e.get("extends_uuid") == event["uuid"] and e["orgc_id"] == OWN_ORG]
        extensions = [{"id": e["id"], "info": e["info"], "uuid": e["uuid"]} for e in own]
        return {"strategy": "edit" if event["orgc_id"] == OWN_ORG else "extend", "extensions": extensions}

    def add_event(self, body: Json) -> Json:
        self._need("perm_add")
        given = dict(body.get("Event", body))
        if given.get("uuid") in self.state.events:
            raise Refusal(404, EXISTS)
        if not given.get("info"):
            raise Refusal(403, "Could not add Event", {"info": ["Info cannot be empty."]})
        attributes, objects, tags = given.pop("Attribute", []), given.pop("Object", []), given.pop("Tag", [])
        identity = self.state.add({**given, "Tag": [t for t in tags if self._knows(t["name"])]}, published=False)
        event = self.state.events[identity]
        event |= {"orgc_id": OWN_ORG, "Orgc": event["Org"]}
        self._quietly(event, attributes)
        for holder in objects:
            self._store_object(event, holder)
        return {"Event": self.state.complete(event, attachments=False)}

    def edit_event(self, identity: str, body: Json) -> Json:
        event = self._mine(identity)
        given = body.get("Event", body)
        if "timestamp" in given and int(given["timestamp"]) <= int(event["timestamp"]):
            raise Refusal(403, "Could not save Event", {"Event": "Event in the request not newer than the local copy."})
        event |= {name: str(value) for name, value in given.items() if name in MERGED}
        self._quietly(event, [a for a in given.get("Attribute", []) if a.get("uuid") not in self._uuids()])
        self.state._edited(event["uuid"])
        return {"Event": self.state.complete(event, attachments=False)}

    def add_attributes(self, identity: str, body: Any) -> Json:
        event = self._mine(identity)
        given = body if isinstance(body, list) else [body]
        errors: Json = {}
        stored = []
        for place, one in enumerate(given):
            try:
                stored.append(self._store(event, event["Attribute"], one, object_id="0"))
            except Bad as bad:
                errors[f"attribute_{place}"] = {bad.field: [str(bad)]}
        if not stored:
            single = next(iter(errors.values()), {})
            raise Refusal(403, "Could not add Attribute", errors if isinstance(body, list) else single)
        self.state._edited(event["uuid"])
        answer: Json = {"Attribute": stored[0] if len(stored) == 1 else stored}
        return answer | ({"errors": errors} if errors else {})

    def edit_attribute(self, identity: str, body: Json) -> Json:
        event, attribute = self._attribute(identity)
        self._mine(event["uuid"])
        changed = {
            k: v for k, v in body.items() if k in ("value", "to_ids", "comment", "first_seen", "last_seen", "category", "type")
        }
        try:
            form = stored_form({**{k: v for k, v in attribute.items() if k != "data"}, **changed})
        except Bad as bad:
            raise Refusal(403, "Could not edit attribute", {bad.field: [str(bad)]}) from None
        attribute |= {k: form[k] for k in changed} | {"timestamp": str(self.state.clock)}
        self.state._edited(event["uuid"])
        return {"Attribute": attribute}

    def delete_attribute(self, identity: str, body: Json) -> Json:
        event, attribute = self._attribute(identity)
        self._mine(event["uuid"])
        self.state.delete_attribute(event["uuid"], attribute["uuid"], hard=bool(body.get("hard")))
        return {"message": "Attribute deleted."}

    def add_object(self, identity: str, body: Json) -> Json:
        event = self._mine(identity)
        given = body.get("Object", body)
        if any(o["uuid"] == given.get("uuid") for e in self.state.events.values() for o in e["Object"]):
            raise Refusal(403, "Could not save object", {"uuid": ["The object exists already."]})
        stored = self._store_object(event, given)
        self.state._edited(event["uuid"])
        return {"Object": stored}

    def edit_object(self, identity: str, body: Json) -> Json:
        for event in self.state.events.values():
            for holder in event["Object"]:
                if identity in (holder["id"], holder["uuid"]):
                    self._mine(event["uuid"])
                    self._fill(event, holder, body.get("Object", body).get("Attribute", []))
                    self.state._edited(event["uuid"])
                    return {"Object": holder}
        raise Refusal(404, "Invalid object.")

    def tag(self, body: Json, *, attach: bool) -> Json:
        name = body["tag"]
        event = self.state.find(body["uuid"])
        if event is None:
            raise Refusal(404, "Invalid Target.")
        if attach and not self._knows(name):
            raise Refusal(405, "Tag not found and insufficient privileges to create it.")
        event["Tag"] = [t for t in event["Tag"] if t["name"] != name] + ([self.state._tag(name)] if attach else [])
        if not body.get("local"):
            self.state._edited(event["uuid"])
        return {"saved": True, "success": "Global tag attached." if attach else "Tag removed.", "check_publish": True}

    def publish(self, identity: str) -> Json:
        event = self._event(identity)
        self._need("perm_publish")
        if not any(True for _ in self.state.attributes(event)):
            raise Refusal(403, "Event is empty.")
        self.state.publish(event["uuid"])
        return {"saved": True, "success": True, "name": "Job queued", "message": "Job queued", "url": "/events/publish"}

    def sight(self, body: Json) -> Json:
        _, attribute = self._attribute(body["uuid"])
        made = {"id": self.state.number(), "type": str(body.get("type", "0")), "date_sighting": str(body.get("timestamp") or "")}
        attribute.setdefault("Sighting", []).append(made)
        return {"Sighting": made}

    def _store_object(self, event: Json, given: Json) -> Json:
        holder = self.state._object({**given, "Attribute": []}, event["id"])
        self._fill(event, holder, given.get("Attribute", []))
        event["Object"].append(holder)
        return holder

    def _fill(self, event: Json, holder: Json, attributes: list[Json]) -> None:
        for one in attributes:
            try:
                self._store(event, holder["Attribute"], one, object_id=holder["id"])
            except Bad:
                continue

    def _quietly(self, event: Json, attributes: list[Json]) -> None:
        """The trap: what is bad is logged on the server, and missing from the answer."""
        for one in attributes:
            try:
                self._store(event, event["Attribute"], one, object_id="0")
            except Bad:
                continue

    def _store(self, event: Json, place: list[Json], given: Json, *, object_id: str) -> Json:
        form = stored_form(given)
        if form.get("uuid") in self._uuids():
            raise Bad("uuid", "The uuid is in use.")
        same = [
            a
            for a in event["Attribute"]
            if (a["type"], a["category"], a["value"]) == (form["type"], form["category"], form["value"])
        ]
        if object_id == "0" and any(not a["deleted"] for a in same):
            raise Bad("value", SIMILAR)
        tags = [t for t in form.pop("Tag", []) if self._knows(t["name"])]
        form |= {"Tag": tags} if tags else {}
        stored = self.state._attribute({"timestamp": str(self.state.clock), **form}, event["id"], object_id)
        place.append(stored)
        return stored

    def _uuids(self) -> set[str]:
        return {a["uuid"] for e in self.state.events.values() for a, _ in self.state.attributes(e)}

    def _all(self) -> Iterator[tuple[Json, Json]]:
        for event in self.state.events.values():
            for attribute, _ in self.state.attributes(event):
                yield event, attribute

    def _attribute(self, identity: str) -> tuple[Json, Json]:
        found = next(((e, a) for e, a in self._all() if identity in (a["id"], a["uuid"])), None)
        if found is None:
            raise Refusal(404, "Invalid attribute")
        return found

    def _event(self, identity: str) -> Json:
        event = self.state.find(identity)
        if event is None:
            raise Refusal(404, "Invalid event")
        return event

    def _mine(self, identity: str) -> Json:
        self._need("perm_modify")
        event = self._event(identity)
        if event["orgc_id"] != OWN_ORG:
            raise Refusal(403, NO_PERMISSION)
        return event

    def _need(self, permission: str) -> None:
        if not self.role[permission]:
            raise Refusal(403, NO_PERMISSION)

    def _knows(self, name: str) -> bool:
        return self.known_tags is None or name in self.known_tags or bool(self.role["perm_tag_editor"])
