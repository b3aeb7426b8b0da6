"""A MISP server as a source, by PyMISP (contract misp §2.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from misp_connector.instances.config import Options, Purpose
from misp_connector.mapping.event import read_bool, read_int, read_mapping, read_mappings, read_text, read_uuid, tag_names
from misp_connector.sources.misp_client import MispClient
from misp_connector.sources.source import EventGone, EventUnreadable, Head, Page, Position, SourceDown, Status

EXPORT_PERMISSIONS = ("perm_add", "perm_modify")


class ServerSource:
    def __init__(self, client: MispClient, *, options: Options, purpose: Purpose) -> None:
        self._client, self._options, self._purpose = client, options, purpose

    def test(self) -> Status:
        self._client.close()
        return self.status()

    def status(self) -> Status:
        misp = self._client.connect()
        role = {
            name: value
            for name, value in read_mapping(misp._current_role.to_dict()).items()
            if name in ("id", "name") or name.startswith("perm_")
        }
        needed = () if self._purpose == "ImportOnly" else EXPORT_PERMISSIONS
        return Status(
            version=read_text(read_mapping(misp.misp_instance_version).get("version")) or None,
            role=role,
            missing_permissions=tuple(name for name in needed if not read_bool(role.get(name))),
        )

    def pages(self, position: Position) -> Iterator[Page]:
        """All published events since the position, in the order of their ids, which no edit changes.

        An event that is withdrawn meanwhile still shifts the rows behind it to an earlier page, and one published anew may
        appear on a page already read. So a list of several pages is read again until it brings nothing new; only then is
        everything up to its newest publication known to be listed, and never beyond the moment the last reading began.
        """
        listed: dict[str, int] = {}
        while True:
            began = int(time.time())
            news = pages = 0
            for rows in self._numbered(position.since):
                heads = tuple(h for h in map(_head, rows) if h and listed.get(h.uuid) != h.publish_timestamp)
                listed.update((head.uuid, head.publish_timestamp) for head in heads)
                news, pages = news + len(heads), pages + 1
                if heads:
                    yield Page(heads)
            if pages == 1 or not news:
                break
        yield Page((), reached=min(began, max(listed.values(), default=position.since or 0)))

    def _numbered(self, since: int | None) -> Iterator[list[Mapping[str, Any]]]:
        page = 1
        while True:
            rows = self._index(since, page=page)
            yield rows
            if len(rows) < self._options.page_size:
                return
            page += 1

    def _index(self, since: int | None, *, page: int) -> list[Mapping[str, Any]]:
        try:
            rows = self._client.call(
                "search_index",
                published=True,
                # 0 would mean "no filter" to MISP, and so does leaving it out
                publish_timestamp=since or None,
                sort="id",
                desc=False,
                limit=self._options.page_size,
                page=page,
            )
        except (EventUnreadable, EventGone) as error:
            raise SourceDown(f"the index cannot be read: {error}") from None
        if not isinstance(rows, list):
            raise SourceDown("the index is no list of events")
        return list(read_mappings(rows))

    def etag(self) -> str | None:
        return None

    def fetch(self, head: Head) -> object:
        """By restSearch without attachments: `events/view` would embed them all (contract misp §2.5 step 6)."""
        found = self._search(
            controller="events", eventid=head.event_id or head.uuid, with_attachments=False, include_sightings=True
        )
        if not isinstance(found, list) or not found:
            raise EventGone("the server does not show the event any more")
        return found[0]

    def fetch_many(self, heads: Sequence[Head]) -> list[object]:
        named = [head.event_id or head.uuid for head in heads]
        found = self._search(controller="events", eventid=named, with_attachments=False, include_sightings=True)
        return list(found) if isinstance(found, list) else []

    def attachment(self, uuid: str) -> str | None:
        answer = self._search(controller="attributes", uuid=uuid, with_attachments=True)
        for attribute in read_mappings(read_mapping(answer).get("Attribute")):
            data = attribute.get("data")
            if attribute.get("uuid") == uuid and isinstance(data, str) and data:
                return data
        return None

    def _search(self, **arguments: Any) -> Any:
        """A server that drops the connection over one event is not down: whether it is, the next events will show."""
        try:
            return self._client.call("search", **arguments)
        except SourceDown as error:
            raise EventUnreadable(str(error)) from None

    def close(self) -> None:
        self._client.close()


def _head(row: Mapping[str, Any]) -> Head | None:
    identity = read_uuid(row.get("uuid"))
    if identity is None:
        return None
    creator = read_mapping(row.get("Orgc"))
    return Head(
        uuid=identity,
        event_id=read_text(row.get("id")) or None,
        timestamp=read_int(row.get("timestamp")) or 0,
        publish_timestamp=read_int(row.get("publish_timestamp")) or 0,
        creator=read_text(creator.get("name")),
        creator_uuid=read_text(creator.get("uuid")),
        tags=tag_names(row),
        attribute_count=read_int(row.get("attribute_count")),
    )
