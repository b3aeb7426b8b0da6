"""A MISP feed as a source: a folder or a web address with `manifest.json` and one `<uuid>.json` per event, as CIRCL
publishes. The manifest lists everything, so no cursor is needed to find what is new."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import requests

from misp_connector.instances.config import Options, is_web_address
from misp_connector.mapping.event import read_int, read_mapping, read_text, read_uuid, tag_names
from misp_connector.sources.misp_client import AnswerBroken, BoundedAdapter
from misp_connector.sources.source import (
    EventGone,
    EventUnreadable,
    Head,
    KeyRefused,
    Page,
    Position,
    SlowDown,
    SourceDown,
    Status,
)
from waggle.security.outbound import OutboundGuard, OutboundRefused

MANIFEST = "manifest.json"
MANIFEST_LIMIT = 64 << 20
"""Bytes. CIRCL's, with its thousands of events, has one."""

_PLAIN_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class _Place(Protocol):
    """Where the feed's files lie."""

    def read(self, name: str, *, limit: int, etag: str | None = None) -> tuple[bytes, str | None] | None:
        """Content and ETag; None when it is what the ETag names. Raises FileNotFoundError, or an error of the source."""
        ...

    def close(self) -> None: ...


class FeedSource:
    def __init__(self, place: _Place, *, options: Options) -> None:
        self._place, self._options = place, options
        self._etag: str | None = None
        self._names: dict[str, str] = {}

    def test(self) -> Status:
        self._manifest(None)
        return self.status()

    def status(self) -> Status:
        return Status(version=None, role=None)

    def pages(self, position: Position) -> Iterator[Page]:
        """The whole manifest, oldest change first: a feed may gain old events, so `since` bounds nothing here."""
        manifest = self._manifest(position.etag)
        if manifest is None:
            return
        heads = sorted(filter(None, map(_head, manifest.items())), key=lambda head: (head.publish_timestamp, head.uuid))
        self._names = {str(read_uuid(name)): name for name in manifest if _PLAIN_UUID.fullmatch(name)}
        size = self._options.page_size
        for start in range(0, len(heads), size):
            page = tuple(heads[start : start + size])
            yield Page(page, reached=page[-1].publish_timestamp)

    def etag(self) -> str | None:
        return self._etag

    def fetch_many(self, heads: Sequence[Head]) -> list[object]:
        return []  # a feed is one file per event

    def fetch(self, head: Head) -> object:
        name = f"{self._names.get(head.uuid, head.uuid)}.json"
        # a feed embeds the attachments in the event's file
        limit = self._options.max_size + self._options.max_attachment_size * 4 // 3
        try:
            found = self._place.read(name, limit=limit)
        except FileNotFoundError:
            raise EventUnreadable(f"{name} is in the manifest but not in the feed") from None
        except SourceDown as error:
            raise EventUnreadable(str(error)) from None
        try:
            document = json.loads(found[0] if found else b"")
        except ValueError as error:
            raise EventUnreadable(f"{name} is no JSON: {error}") from None
        except RecursionError:
            raise EventUnreadable(f"{name} is nested too deeply") from None
        return document

    def attachment(self, uuid: str) -> str | None:
        """A feed's event carries its files' content; what `fetch` gave without has none."""
        return None

    def _manifest(self, etag: str | None) -> Mapping[str, Any] | None:
        try:
            found = self._place.read(MANIFEST, limit=MANIFEST_LIMIT, etag=etag)
        except FileNotFoundError:
            raise SourceDown(f"there is no {MANIFEST} in the feed") from None
        except (EventGone, EventUnreadable) as error:
            raise SourceDown(str(error)) from None
        if found is None:
            self._etag = etag
            return None
        content, self._etag = found
        try:
            manifest = json.loads(content)
        except (ValueError, RecursionError):
            raise SourceDown(f"{MANIFEST} is no JSON") from None
        if not isinstance(manifest, dict):
            raise SourceDown(f"{MANIFEST} is no JSON object")
        return manifest

    def close(self) -> None:
        self._place.close()


class FolderPlace:
    """A folder of this machine, named by the operator."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, *, limit: int, etag: str | None = None) -> tuple[bytes, str | None] | None:
        path = self._folder / name
        try:
            if path.stat().st_size > limit:
                raise EventUnreadable(f"{name} is over {limit} bytes")
            return path.read_bytes(), None
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SourceDown(str(error)) from None

    def close(self) -> None:
        """Nothing is held open."""


class WebPlace:
    """A web address; every request passes the outbound guard."""

    def __init__(self, url: str, *, options: Options, guard: OutboundGuard) -> None:
        self._url, self._options = url, options
        self._adapter = BoundedAdapter(guard, limit=max(options.max_size + options.max_attachment_size * 4 // 3, MANIFEST_LIMIT))
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)
        self._session.verify = str(options.ca_file) if options.verify_tls and options.ca_file else options.verify_tls
        self._session.cert = str(options.client_cert) if options.client_cert else None
        self._session.headers["User-Agent"] = "waggle-misp-connector"

    def read(self, name: str, *, limit: int, etag: str | None = None) -> tuple[bytes, str | None] | None:
        try:
            answer = self._session.get(
                self._url + name,
                headers={"If-None-Match": etag} if etag else {},
                timeout=(self._options.connect_timeout, self._options.read_timeout),
            )
        except AnswerBroken as error:
            raise EventUnreadable(f"{name}: {error}") from None
        except (requests.RequestException, OutboundRefused) as error:
            raise SourceDown(f"{name}: {error}") from None
        if answer.status_code == 304:
            return None
        if answer.status_code == 200:
            if len(answer.content) > limit:
                raise EventUnreadable(f"{name} is over {limit} bytes")
            return answer.content, answer.headers.get("ETag")
        raise self._failure(name, answer.status_code)

    def _failure(self, name: str, status: int) -> Exception:
        text = f"{name}: the feed answers {status}"
        if status == 404:
            return FileNotFoundError(name)
        if status in (401, 403):
            return KeyRefused(text)
        if status == 429:
            return SlowDown(text, self._adapter.retry_after)
        return EventUnreadable(text)

    def close(self) -> None:
        self._session.close()


def open_place(url: str, *, options: Options, guard: OutboundGuard) -> _Place:
    return WebPlace(url, options=options, guard=guard) if is_web_address(url) else FolderPlace(Path(url))


def _head(entry: tuple[str, Any]) -> Head | None:
    name, values = entry
    identity = read_uuid(name) if _PLAIN_UUID.fullmatch(name) else None
    if identity is None or not isinstance(values, Mapping):
        return None
    creator = read_mapping(values.get("Orgc"))
    timestamp = read_int(values.get("timestamp")) or 0
    return Head(
        uuid=identity,
        event_id=None,
        timestamp=timestamp,
        publish_timestamp=max(timestamp, read_int(values.get("publish_timestamp")) or 0),
        creator=read_text(creator.get("name")),
        creator_uuid=read_text(creator.get("uuid")),
        tags=tag_names(values),
        attribute_count=None,
    )
