"""MISP feeds: a folder, or a web address, with a manifest and one file per event."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from misp_harness import Connector
from misp_samples import EVENT_UUID, attribute, event, uuid_of

OTHER_UUID = uuid_of(777)


class Feed:
    """A feed's files, written as MISP publishes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = {}

    def put(self, identity: str = EVENT_UUID, *attributes: dict[str, Any], timestamp: int = 1_700_000_000, **more: Any) -> None:
        document = event(*attributes, **{"uuid": identity, "timestamp": str(timestamp), "publish_timestamp": "0", **more})
        for name in ("id", "distribution"):
            document.pop(name, None)
        (self.folder / f"{identity}.json").write_text(json.dumps({"Event": document}))
        self.manifest[identity] = {
            "Orgc": document["Orgc"],
            "Tag": document["Tag"],
            "info": document["info"],
            "date": document["date"],
            "timestamp": str(timestamp),
        }
        self.write()

    def write(self) -> None:
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))


class _Server(http.server.SimpleHTTPRequestHandler):
    asked: list[tuple[str, int]]

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        tag = f'"{hash(path.read_bytes())}"' if path.is_file() else ""
        if tag and self.headers.get("If-None-Match") == tag:
            self.asked.append((self.path, 304))
            self.send_response(304)
            self.end_headers()
            return None
        self.asked.append((self.path, 200 if path.is_file() else 404))
        self._tag = tag
        return super().send_head()

    def end_headers(self) -> None:
        if getattr(self, "_tag", ""):
            self.send_header("ETag", self._tag)
            self._tag = ""
        super().end_headers()


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    folder = tmp_path / "feed"
    folder.mkdir()
    made = Feed(folder)
    made.write()
    return made


@pytest.fixture
def web(feed: Feed) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    asked: list[tuple[str, int]] = []
    handler = functools.partial(type("Handler", (_Server,), {"asked": asked}), directory=str(feed.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


async def test_a_folder_is_polled_like_a_server(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, attribute(1, "domain", "a.example"), tags=("tlp:green",))
    feed.put(OTHER_UUID, attribute(2, "domain", "b.example"), timestamp=1_700_000_100)
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    first, second = await connector.sent()
    assert first["data"]["alert"]["source_ref"] == EVENT_UUID and first["data"]["alert"]["tlp"] == "GREEN"
    assert "external_link" not in first["data"]["alert"]
    assert second["data"]["observables"][0]["data"] == "b.example"


async def test_an_unchanged_feed_changes_nothing_and_a_changed_event_updates_its_alert(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, attribute(1, "domain", "a.example"))
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    await connector.poll()
    assert len(await connector.sent()) == 1
    feed.put(EVENT_UUID, attribute(2, "domain", "b.example"), timestamp=1_700_000_500)
    await connector.poll()
    first, second = await connector.sent()
    assert first["data"]["alert"]["source_ref"] == second["data"]["alert"]["source_ref"]
    assert second["data"]["removed"] == [uuid_of(1)]
    assert second["data"]["alert"]["last_sync_date"] == 1_700_000_500_000


async def test_an_old_event_that_a_feed_gains_later_is_found(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, timestamp=1_700_000_000)
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    feed.put(OTHER_UUID, timestamp=1_400_000_000)
    await connector.poll()
    assert len(await connector.sent()) == 2


async def test_a_web_feed_links_its_file_and_is_asked_once_while_unchanged(
    connector: Connector, feed: Feed, web: tuple[str, list[tuple[str, int]]]
) -> None:
    url, asked = web
    feed.put(EVENT_UUID, attribute(1, "domain", "a.example"))
    await connector.add("partner", url, key=None, kind="feed")
    await connector.poll()
    (envelope,) = await connector.sent()
    assert envelope["data"]["alert"]["external_link"] == f"{url}/{EVENT_UUID}.json"
    asked.clear()
    await connector.poll()
    assert asked == [("/manifest.json", 304)]


async def test_embedded_files_become_claims(connector: Connector, feed: Feed) -> None:
    data = base64.b64encode(b"<html>").decode()
    feed.put(EVENT_UUID, attribute(1, "attachment", "page.html", data=data))
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    (envelope,) = await connector.sent()
    assert envelope["data"]["observables"][0]["file"]["size"] == 6


async def test_broken_and_missing_files_do_not_stop_the_others(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, attribute(1, "domain", "a.example"))
    feed.put(uuid_of(801))
    (feed.folder / f"{uuid_of(801)}.json").write_text('{"Event": {"uu')
    feed.put(uuid_of(802))
    (feed.folder / f"{uuid_of(802)}.json").unlink()
    feed.put(uuid_of(803))
    (feed.folder / f"{uuid_of(803)}.json").write_text("[" * 200_000)
    feed.put(uuid_of(804))
    (feed.folder / f"{uuid_of(804)}.json").write_text(json.dumps(event(uuid=OTHER_UUID)))
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    assert [e["data"]["alert"]["source_ref"] for e in await connector.sent()] == [EVENT_UUID]
    states = await connector.events()
    assert {states[uuid_of(n)]["state"] for n in (801, 802, 803, 804)} == {"failed"}
    assert "instead" in states[uuid_of(804)]["reason"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "not-a-uuid", "{6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001}", "urn:uuid:" + EVENT_UUID]
)
async def test_names_in_the_manifest_that_are_no_uuids_are_never_opened(connector: Connector, feed: Feed, name: str) -> None:
    feed.manifest[name] = {"timestamp": "1"}
    feed.write()
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    assert await connector.events() == {}
    assert (await connector.state())["last_error"] is None


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000])
async def test_a_manifest_that_is_none_is_an_error_of_the_instance(connector: Connector, feed: Feed, content: str) -> None:
    (feed.folder / "manifest.json").write_text(content)
    await connector.add("partner", str(feed.folder), key=None, kind="feed")
    await connector.poll()
    assert "manifest.json" in (await connector.state())["last_error"]


async def test_a_feed_that_is_not_there_is_an_error_of_the_instance(connector: Connector, tmp_path: Path) -> None:
    await connector.add("partner", str(tmp_path / "nowhere"), key=None, kind="feed")
    await connector.poll()
    assert "manifest.json" in (await connector.state())["last_error"]


async def test_filters_read_the_manifest_and_spare_the_file(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, tags=("tlp:red",))
    (feed.folder / f"{EVENT_UUID}.json").unlink()
    await connector.add("partner", str(feed.folder), key=None, kind="feed", exclude_tags=["tlp:red"])
    await connector.poll()
    assert (await connector.events())[EVENT_UUID]["state"] == "filtered"


async def test_max_attributes_holds_for_feeds_too(connector: Connector, feed: Feed) -> None:
    feed.put(EVENT_UUID, attribute(1, "domain", "a.example"), attribute(2, "domain", "b.example"))
    await connector.add("partner", str(feed.folder), key=None, kind="feed", max_attributes=1)
    await connector.poll()
    assert await connector.sent() == []
    assert (await connector.events())[EVENT_UUID]["reason"] == "2 attributes, more than 1"
