"""What the poller needs of a source of events: a MISP server or a MISP feed. Every call blocks; it runs in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class SourceError(Exception):
    """Why a source, or one event of it, cannot be read now. The text is for the operator."""


class SourceDown(SourceError):
    """The source does not answer, or answers with something that is no MISP: try the whole poll again later."""


class KeyRefused(SourceError):
    """The key, its rights or the settings are wrong: trying again before the next interval is of no use."""


class SlowDown(SourceError):
    """The source asks for a pause (429). `seconds` is how long."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(SourceError):
    """The server understood a request and says no; `body` is its answer."""

    def __init__(self, message: str, status: int, body: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class EventUnreadable(SourceError):
    """This one event cannot be read now; the others may."""


class EventGone(SourceError):
    """The event was deleted, or may not be seen any more."""


@dataclass(frozen=True, slots=True)
class Head:
    """One line of the index: what is known of an event before it is fetched."""

    uuid: str
    event_id: str | None
    timestamp: int
    publish_timestamp: int
    """Seconds. Of a feed, when its file was last changed or published, whichever is later."""
    creator: str
    creator_uuid: str
    tags: tuple[str, ...]
    attribute_count: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some heads; with `reached`, everything published up to that second has been listed once they are handled."""

    heads: tuple[Head, ...]
    reached: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What a source says about itself and about us."""

    version: str | None
    role: dict[str, Any] | None
    """Name of the role and its permissions; None for a feed."""
    missing_permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """From where to list: publish timestamp in seconds (None: from the beginning), and the last manifest's ETag."""

    since: int | None
    etag: str | None = None


class Source(Protocol):
    def test(self) -> Status:
        """What the source says now, over a new connection. Raises SourceDown, KeyRefused or SlowDown."""
        ...

    def status(self) -> Status:
        """What it said when this connection was made; costs no request while connected."""
        ...

    def pages(self, position: Position) -> Iterator[Page]:
        """All published events since the position, none left out, whatever changes at the source meanwhile."""
        ...

    def etag(self) -> str | None:
        """What the next poll may give as `Position.etag`, once all pages were handled."""
        ...

    def fetch(self, head: Head) -> object:
        """The whole event as JSON values. Raises EventGone, EventUnreadable, or an error of the source."""
        ...

    def fetch_many(self, heads: Sequence[Head]) -> list[object]:
        """Several whole events with one request, in any order; empty where the source has no such request. Raises as `fetch`."""
        ...

    def attachment(self, uuid: str) -> str | None:
        """Base64 content of an attribute that `fetch` gave without; None when the source has none."""
        ...

    def close(self) -> None: ...
