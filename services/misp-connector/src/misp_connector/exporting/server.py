"""The requests an export makes, one method each (contract misp §4.2, §8.2). They block; each runs in a thread."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from misp_connector.exporting.snapshot import Snapshot, snapshot_of
from misp_connector.mapping.event import read_bool, read_mapping, read_mappings, read_text
from misp_connector.sources.misp_client import MispClient
from misp_connector.sources.source import EventGone, Refused, SourceDown

BATCH = 100
_NUMBERED = re.compile(r"attribute_(\d+)")


class ExportServer:
    def __init__(self, client: MispClient) -> None:
        self._client = client

    def edit_strategy(self, uuid: str) -> str | None:
        """`edit` where the user may change the event, `extend` where not; None for an event the server does not know."""
        try:
            answer = self._client.send(f"events/getEditStrategy/{uuid}")
        except EventGone:
            return None
        return "edit" if read_mapping(answer).get("strategy") == "edit" else "extend"

    def read(self, uuid: str) -> Snapshot | None:
        """The event as it stands, published or not, without the content of its files."""
        found = self._client.send(
            "events/restSearch", {"returnFormat": "json", "eventid": uuid, "withAttachments": 0, "includeSightings": 1}
        )
        events = read_mappings(found)
        return snapshot_of(events[0]) if events else None

    def deleted(self, event_id: str) -> frozenset[str]:
        """Attributes of the event that somebody has deleted there."""
        answer = self._client.send("attributes/restSearch", {"returnFormat": "json", "eventid": event_id, "deleted": [0, 1]})
        rows = read_mappings(read_mapping(answer).get("Attribute"))
        return frozenset(read_text(one.get("uuid")) for one in rows if read_bool(one.get("deleted")))

    def create(self, body: Mapping[str, Any]) -> None:
        """What came of it shows only in what is read afterwards: MISP drops attributes it does not like, and says 200."""
        try:
            self._client.send("events/add", dict(body))
        except EventGone:
            # "Event already exists": made by a request whose answer was lost, or by somebody else at this very moment
            raise SourceDown("the event appeared meanwhile") from None

    def edit(self, uuid: str, body: Mapping[str, Any]) -> None:
        self._client.send(f"events/edit/{uuid}", dict(body))

    def add_attributes(self, event_id: str, bodies: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Why MISP refused some, by their place; with this call refusals are visible."""
        try:
            answer = self._client.send(f"attributes/add/{event_id}", list(bodies))
        except Refused as refusal:
            found = _reasons(read_mapping(refusal.body).get("errors"))
            return found or dict.fromkeys(range(len(bodies)), str(refusal))
        return _reasons(read_mapping(answer).get("errors"))

    def edit_attribute(self, uuid: str, body: Mapping[str, Any]) -> str | None:
        """Why it was refused; None when it was taken."""
        try:
            self._client.send(f"attributes/edit/{uuid}", dict(body))
        except (Refused, EventGone) as refusal:
            return _reason_in(getattr(refusal, "body", None)) or str(refusal)
        return None

    def delete_attribute(self, uuid: str) -> None:
        """Softly: it stays readable as deleted. One that is gone already is as well."""
        try:
            self._client.send(f"attributes/delete/{uuid}", {})
        except EventGone:
            return

    def add_object(self, event_id: str, body: Mapping[str, Any]) -> str | None:
        try:
            self._client.send(f"objects/add/{event_id}", dict(body))
        except Refused as refusal:
            return _reason_in(refusal.body) or str(refusal)
        return None

    def edit_object(self, uuid: str, body: Mapping[str, Any]) -> str | None:
        try:
            self._client.send(f"objects/edit/{uuid}", dict(body))
        except (Refused, EventGone) as refusal:
            return _reason_in(getattr(refusal, "body", None)) or str(refusal)
        return None

    def tag(self, uuid: str, tag: str) -> str | None:
        """Why the tag was refused: without `perm_tag_editor` a user may not make new ones."""
        return self._tagging("tags/attachTagToObject", uuid, tag)

    def untag(self, uuid: str, tag: str) -> str | None:
        return self._tagging("tags/removeTagFromObject", uuid, tag)

    def _tagging(self, path: str, uuid: str, tag: str) -> str | None:
        try:
            answer = self._client.send(path, {"uuid": uuid, "tag": tag, "local": False})
        except (Refused, EventGone) as refusal:
            return str(refusal)
        answered = read_mapping(answer)
        return None if answered.get("saved") is not False else read_text(answered.get("errors")) or "not saved"

    def publish(self, event_id: str) -> str | None:
        """Publication runs in the background there; None: it was taken on."""
        try:
            self._client.send(f"events/publish/{event_id}", {})
        except (Refused, EventGone) as refusal:
            return str(refusal)
        return None

    def sighting(self, uuid: str, *, at: int) -> str | None:
        """`at` in seconds."""
        try:
            self._client.send("sightings/add", {"uuid": uuid, "type": "0", "timestamp": str(at)})
        except (Refused, EventGone) as refusal:
            return str(refusal)
        return None


def _reasons(errors: object) -> dict[int, str]:
    found: dict[int, str] = {}
    for name, reason in read_mapping(errors).items():
        numbered = _NUMBERED.fullmatch(name)
        if numbered:
            found[int(numbered[1])] = _text(reason)
    return found


def _reason_in(body: object) -> str:
    return _text(read_mapping(body).get("errors"))


def _text(errors: object) -> str:
    """MISP's reasons in whatever nesting they come."""
    if isinstance(errors, Mapping):
        return "; ".join(filter(None, (_text(value) for value in errors.values())))
    if isinstance(errors, list):
        return "; ".join(filter(None, (_text(value) for value in errors)))
    return read_text(errors)
