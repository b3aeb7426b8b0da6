"""A MISP server for tests, on loopback: unmodified PyMISP works against it (contract misp §8).

    with MispDouble() as misp:
        identity = misp.state.add({"info": "Phishing", "Attribute": [{"type": "domain", "value": "example.com"}]})
        PyMISP(misp.url, misp.key)

`faults` make answers go wrong; `requests` is the log of what was asked. `state` is changed by the test, not over HTTP.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import pymisp
from misp_double_state import Json, MispState
from misp_double_writes import Refusal, Writes

WRONG_KEY = (
    "Authentication failed. Please make sure you pass the API key of an API enabled user along in the Authorization header."
)
ROLE = {
    "id": "3",
    "name": "User",
    "perm_add": True,
    "perm_modify": True,
    "perm_publish": False,
    "perm_sync": False,
    "perm_site_admin": False,
    "perm_tag_editor": False,
}


@dataclass
class Fault:
    """Spoils the next `times` answers whose path matches `path` (a regular expression) and whose body contains `body`.

    `kind`: html500, html200, truncated, reset, lost (done, and the connection dropped before the answer), stall (for `seconds`),
    429, 403, 404, redirect (to `location`).
    """

    kind: str
    path: str = ".*"
    body: str = ""
    times: int = 1_000_000
    seconds: float = 1.0
    location: str = ""


@dataclass
class Asked:
    method: str
    path: str
    body: Any


@dataclass
class MispDouble:
    key: str = "k" * 40
    prefix: str = "/"
    version: str = "2.5.1"
    role: Json = field(default_factory=lambda: dict(ROLE))
    state: MispState = field(default_factory=MispState)
    faults: list[Fault] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    after: Callable[[Asked], None] | None = None
    """Called after each answer: a test changes the state between two pages here."""
    before: Callable[[Asked], None] | None = None
    """Called before each request is looked at: a test kills whoever asks here."""
    known_tags: set[str] | None = None
    """Tags that exist; None: all that are asked for."""
    compressed: bool = False
    certificate: Path | None = None
    """PEM with certificate and key: then it speaks https."""

    def __enter__(self) -> MispDouble:
        double = self
        self._lock = threading.Lock()

        class Handler(_Handler):
            misp = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # dropped connections are the point
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self.certificate else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._server.server_port}{self.prefix}"

    def asked(self, path: str) -> list[Asked]:
        return [request for request in self.requests if re.search(path, request.path)]

    def fault_for(self, path: str, body: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.path, path) and fault.body in body:
                fault.times -= 1
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    misp: MispDouble
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_HEAD = do_GET

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote_plus(urlsplit(self.path).path)
        if not path.startswith(self.misp.prefix):
            self._send(404, {"name": "Not found", "message": "outside of MISP", "url": path})
            return
        path = path[len(self.misp.prefix) :]
        fault = self.misp.fault_for(path, raw.decode(errors="replace"))
        if fault and self._spoil(fault):
            return
        asked = Asked(self.command, path, json.loads(raw) if raw else None)
        self.misp.requests.append(asked)
        if self.misp.before:
            self.misp.before(asked)
        try:
            if self.headers.get("Authorization") != self.misp.key:
                raise Refusal(403, WRONG_KEY)
            with self.misp._lock:
                answer = self._route(path, asked.body or {})
            if fault and fault.kind == "lost":
                self._drop()
                return
            self._send(200, answer, broken=fault is not None and fault.kind == "truncated")
        except Refusal as refusal:
            body = {"name": str(refusal), "message": str(refusal), "url": self.path}
            self._send(refusal.status, body | ({"saved": False, "errors": refusal.errors} if refusal.errors else {}))
        if self.misp.after:
            self.misp.after(asked)

    def _spoil(self, fault: Fault) -> bool:
        """Whether the fault was the whole answer."""
        match fault.kind:
            case "html500" | "html200":
                self._raw(int(fault.kind[4:]), b"<html>please log in</html>", {"Content-Type": "text/html"})
            case "429":
                body = json.dumps({"name": "Too Many Requests", "message": "Rate limit exceeded."}).encode()
                headers = {"Content-Type": "application/json", "X-Rate-Limit-Reset": str(int(fault.seconds))}
                self._raw(429, body, headers)
            case "403" | "404":
                self._send(int(fault.kind), {"name": "refused", "message": "refused", "url": self.path})
            case "redirect":
                self._raw(302, b"", {"Location": fault.location})
            case "reset":
                self._drop()
            case "stall":
                time.sleep(fault.seconds)
                return False
            case _:
                return False
        return True

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, value: Any, *, broken: bool = False) -> None:
        body = json.dumps(value).encode()
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        if isinstance(value, list):
            headers["X-Result-Count"] = str(len(value))
        if self.misp.compressed:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        self._raw(status, body[: len(body) // 2] if broken else body, headers)

    def _raw(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _route(self, path: str, body: Json) -> Any:
        parts = path.strip("/").split("/")
        match parts:
            case ["servers", "getVersion"]:
                return {
                    "version": self.misp.version,
                    "pymisp_recommended_version": self.misp.version,
                    "perm_sync": self.misp.role["perm_sync"],
                    "perm_sighting": True,
                    "perm_galaxy_editor": False,
                    "request_encoding": ["gzip"],
                    "filter_sightings": True,
                }
            case ["users", "view", "me"]:
                user = {"id": "7", "org_id": "1", "email": "connector@example.org", "role_id": self.misp.role["id"]}
                organisation = {"id": "1", "name": "Local", "uuid": "00000000-0000-0000-0000-000000000001"}
                return {"User": user, "Role": self.misp.role, "UserSetting": [], "Organisation": organisation}
            case ["attributes", "describeTypes.json"]:
                return _described()
            case ["organisations", "view", identity]:
                return {"Organisation": {"id": identity, "name": "Local", "uuid": "00000000-0000-0000-0000-000000000001"}}
            case ["events", "index"]:
                return self.misp.state.index(_query(body))
            case ["events", "restSearch"]:
                return {"response": self._events(_query(body))}
            case ["attributes", "restSearch"]:
                return {"response": {"Attribute": self._attributes(_query(body))}}
            case ["events", "view", identity, *_] | ["events", identity] if identity != "add":
                event = self.misp.state.find(identity)
                if event is None:
                    raise Refusal(404, "Invalid event")
                return {"Event": self.misp.state.complete(event, attachments=True)}
        return self._write(parts, body)

    def _write(self, parts: list[str], body: Any) -> Any:
        writes = Writes(self.misp.state, self.misp.role, self.misp.known_tags)
        match parts:
            case ["events", "getEditStrategy", identity]:
                return writes.strategy(identity)
            case ["events", "add"]:
                return writes.add_event(body)
            case ["events", "edit", identity]:
                return writes.edit_event(identity, body)
            case ["events", "publish" | "alert", identity]:
                return writes.publish(identity)
            case ["attributes", "add", identity]:
                return writes.add_attributes(identity, body)
            case ["attributes", "edit", identity]:
                return writes.edit_attribute(identity, body)
            case ["attributes", "delete", identity]:
                return writes.delete_attribute(identity, body)
            case ["objects", "add", identity]:
                return writes.add_object(identity, body)
            case ["objects", "edit", identity]:
                return writes.edit_object(identity, body)
            case ["tags", "attachTagToObject"]:
                return writes.tag(body, attach=True)
            case ["tags", "removeTagFromObject"]:
                return writes.tag(body, attach=False)
            case ["sightings", "add"]:
                return writes.sight(body)
        raise Refusal(404, f"the double has no {'/'.join(parts)}")

    def _events(self, query: Json) -> list[Json]:
        state = self.misp.state
        if query.get("deleted"):  # a condition on attributes there: events without any no longer match
            raise Refusal(500, "the double does not filter events by deleted attributes")
        shown = []
        for event in state.candidates(query):
            if not state._matches(event, query) or (query.get("uuid") and event["uuid"] != query["uuid"]):
                continue
            if _filters_attributes(query) and not any(_fits(a, query) for a, _ in state.attributes(event)):
                continue
            shown.append({"Event": state.complete(event, attachments=bool(query.get("withAttachments")))})
        return _paged(shown, query)

    def _attributes(self, query: Json) -> list[Json]:
        found = []
        for event in self.misp.state.candidates(query):
            if not self.misp.state._matches(event, query):
                continue
            about = {k: event[k] for k in ("id", "uuid", "info", "org_id", "orgc_id", "distribution")}
            for attribute, holder in self.misp.state.attributes(event):
                if (attribute["deleted"] and not query.get("deleted")) or not _fits(attribute, query):
                    continue
                shown = {**attribute, "Event": about}
                if not query.get("withAttachments"):
                    shown.pop("data", None)
                if holder:
                    shown["Object"] = {"id": holder["id"], "uuid": holder["uuid"], "name": holder["name"]}
                found.append(shown)
        return _paged(found, query)


@lru_cache(1)
def _described() -> Any:
    return json.loads((Path(pymisp.__file__).parent / "data" / "describeTypes.json").read_text())


def _query(body: Json) -> Json:
    """Filters may be wrapped in `request` and prefixed with `search`."""
    inner = body.get("request", body)
    return {name.removeprefix("search"): value for name, value in inner.items()}


def _filters_attributes(query: Json) -> bool:
    return bool(query.get("value") or query.get("type"))


def _fits(attribute: Json, query: Json) -> bool:
    if query.get("uuid") and attribute["uuid"] != query["uuid"]:
        return False
    types = query.get("type")
    if types and attribute["type"] not in ([types] if isinstance(types, str) else types):
        return False
    value = query.get("value")
    return not value or value in (attribute["value"], *attribute["value"].split("|"))


def _paged(rows: list[Json], query: Json) -> list[Json]:
    limit = int(query.get("limit") or 0)
    if not limit:
        return rows
    start = (int(query.get("page") or 1) - 1) * limit
    return rows[start : start + limit]
