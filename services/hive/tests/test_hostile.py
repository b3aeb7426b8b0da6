"""Hostile texts in every text field of every route that writes: stored or refused, and everything still answers.

The fields come from the API document; those of the classic API, whose bodies are read key by key, from watching it read. So a new
field is in it by itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hostile import DEEP, HOLE, NASTY, TEXTS, UNSTORABLE, Document, encoded

from hive.classic.reading import Body
from hive.classic.registers import KINDS
from hive.search.pipeline import SOURCES
from waggle.web.access import routes_of

JSON = {"content-type": "application/json"}
# Watched by themselves: logging in and out, and texts that change the credentials the test works with.
LEFT_OUT = re.compile(r"/login$|/logout$|/password/|/key/renew$|/idempotency|/stream$")
# Answers without end, and what needs a bus.
NOT_ASKED = re.compile(r"/stream|/admin/queues|^/metrics$|^/\{path:path\}$")
SEARCHES = {
    "alert": "/alert", "case": "/case", "case_task": "/case/task", "case_task_log": "/case/task/log",
    "case_artifact": "/case/artifact", "caseTemplate": "/case/template", "case_artifact_job": "/connector/cortex/job",
    "user": "/user", "customField": "/customFields", "observableType": "/observable/type", "tag": "/tag",
    "organisation": "/organisation", "profile": "/profile", "action": "/connector/cortex/action", "audit": "/audit",
    "dashboard": "/dashboard", "page": "/page",
}  # fmt: skip
CLASSIC = {
    "POST /api/alert": {
        "type": "t", "source": "s", "sourceRef": "r", "title": "t", "description": "d", "customFields": {"own": "x"},
        "artifacts": [{"_at": "artifacts", "dataType": "domain", "data": "a.example", "message": "m"}],
    },
    "POST /api/case": {"title": "t", "description": "d", "tasks": [{"_at": "tasks", "title": "t"}]},
    "POST /api/case/{case_id}/task": {"title": "t"},
    "POST /api/case/task/{task_id}/log": {"message": "m"},
    "POST /api/case/{case_id}/artifact": {"dataType": "domain", "data": "b.example"},
    "POST /api/alert/{alert_id}/artifact": {"dataType": "domain", "data": "b.example"},
    "POST /api/case/template": {"name": "n", "tasks": [{"_at": "tasks", "title": "t"}]},
    "POST /api/customField": {"name": "n", "reference": "n", "description": "d", "type": "string"},
    "POST /api/observable/type": {"name": "n"},
    "POST /api/list/custom_fields": {
        "value": {"_at": "value", "name": "m", "reference": "m", "description": "", "type": "string"},
    },
    "POST /api/list/custom_fields/_exists": {"key": "reference", "value": "n"},
    "POST /api/user": {"login": "x@soc.example", "name": "n", "roles": ["read"]},
    "POST /api/dashboard": {"title": "t", "description": "d", "definition": "{}"},
    "POST /api/page": {"title": "t", "content": "c"},
    "POST /api/organisation": {"name": "n", "description": "d"},
    "POST /api/profile": {"name": "n"},
    "POST /api/case/{case_id}/shares": {"shares": [{"_at": "shares", "organisationName": "other"}]},
    "POST /api/connector/cortex/job": {"analyzerId": "none", "artifactId": "", "parameters": {}},
    "POST /api/connector/cortex/action": {"responderId": "none", "objectType": "case", "objectId": ""},
    "PUT /api/config/organisation/{path:path}": {"value": "x"},
    "PUT /api/config/user/{path:path}": {"value": "x"},
}  # fmt: skip


class Assault:
    """Sends to one route, as the first of three people who may; no answer may be the server's failure."""

    def __init__(self, world: Any, ids: dict[str, str]) -> None:
        self.world, self.ids = world, ids
        self.stored: Counter[str] = Counter()
        self.failures: list[Any] = []

    def path(self, template: str) -> str:
        """The route's path with ids of the kinds it names; a segment tells what the one behind it is."""
        segments = template.split("/")
        for place, segment in enumerate(segments):
            if segment.startswith("{"):
                word = segments[place - 1]
                segments[place] = self.ids.get(segment.strip("{}").split(":")[0]) or self.ids.get(word, "~1")
        return "/".join(segments)

    async def __call__(self, method: str, template: str, body: Any, name: str) -> bool:
        """Whether it was taken."""
        path, content = self.path(template), encoded(body)
        for client in (self.world.soc, self.world.admin):
            answer = await client.request(method, path, content=content, headers=JSON)
            if answer.status_code >= 500:
                self.failures.append((method, template, name, answer.text[:200], content[:200]))
                return False
            if answer.status_code < 300:
                self.stored[name] += 1
                return True
            shown = answer.json()
            assert shown["type"] and isinstance(shown["message"], str), (method, template, name, answer.text[:300])
            if answer.status_code != 403:
                return False
        return False


async def lived_in(world: Any) -> dict[str, str]:
    """One object of every kind; their ids by the word that stands before them in paths."""

    async def made(path: str, client: Any = None, **body: Any) -> str:
        answer = await (client or world.soc).post(path, json=body)
        assert answer.status_code in (200, 201), (path, answer.text)
        shown = answer.json()
        return str((shown[0] if isinstance(shown, list) else shown)["_id"])

    case, alert = (await world.case())["_id"], (await world.alert(observables=[{"dataType": "ip", "data": "192.0.2.1"}]))["_id"]
    task = await made(f"/api/v1/case/{case}/task", title="T")
    observable = (await world.observable(case))["_id"]
    admin = world.admin
    field = {"name": "own", "displayName": "O", "group": "g", "description": "d", "type": "string"}
    return {
        "case": case, "alert": alert, "task": task, "log": await made(f"/api/v1/task/{task}/log", message="m"),
        "observable": observable, "artifact": observable, "artifactId": observable, "objectId": case, "case_id": case,
        "comment": await made(f"/api/v1/case/{case}/comment", message="c"),
        "page": await made(f"/api/v1/case/{case}/page", title="P", content="c", category="c"),
        "pageTemplate": await made("/api/v1/pageTemplate", title="P", content="c", category="c"),
        "procedure": await made(f"/api/v1/case/{case}/procedure", patternId="T1566", occurDate=1),
        "customEvent": await made(f"/api/v1/case/{case}/customEvent", title="E", date=1),
        "caseTemplate": await made("/api/v1/caseTemplate", name="mine"), "template": "mine",
        "customField": await made("/api/v1/customField", admin, **field),
        "dashboard": await made("/api/dashboard", title="D", description="d", definition="{}"),
        "profile": await made("/api/v1/profile", admin, name="own", permissions=["manageTask"]),
        "organisation": f"~{world.organisations['other']}", "user": "read-only@soc.example", "path": "some.setting",
        "job": await made("/api/v1/connector/cortex/job", analyzerId="none", artifactId=observable),
        "action": await made("/api/v1/connector/cortex/action", responderId="none", objectType="case", objectId=case),
        "entity_type": "case", "object_type": "case", "object_id": case, "data_type": "domain", "pattern": "T1566",
        "status": "InProgress", "name": "own", "model": "case",
    }  # fmt: skip


async def _attack_documented(assault: Assault, document: Document) -> None:
    """What any text may stand in, all at once; what is refused then, and what must name something, one by one."""
    for method, path, schema in document.operations:
        fields = list(document.texts(schema))
        if LEFT_OUT.search(path) or not fields:
            continue
        plain = {one[0]: document.filled(schema, assault.ids, [one], "plain") for one in fields}
        free = [one for one in fields if await assault(method, path, plain[one[0]], "plain")]
        for name, text in TEXTS.items():
            at_once = bool(free) and await assault(method, path, document.filled(schema, assault.ids, free, text), name)
            for field in fields if name in NASTY else ():
                if len(text) <= field[2] and not (at_once and field in free):
                    await assault(method, path, document.filled(schema, assault.ids, [field], text), name)
        sample = document.sample(schema, assault.ids)
        for top in schema.get("properties", {}):
            await assault(method, path, {**sample, top: HOLE}, "deep")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, str, bool]]]:
    """Which keys the classic API reads as texts: where (`_at` of the object), name, whether a list of them."""
    seen: set[tuple[str, str, bool]] = set()

    def watching(method: str, *, several: bool) -> None:
        inner = getattr(Body, method)

        def outer(self: Body, name: str, **more: Any) -> Any:
            seen.add((str(self.values.get("_at", "")), name, several))
            return inner(self, name, **more)

        monkeypatch.setattr(Body, method, outer)

    watching("text", several=False)
    watching("texts", several=True)
    yield seen


def _with(body: dict[str, Any], keys: set[tuple[str, str, bool]], text: str) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(body))
    for at, name, several in keys:
        found = changed.get(at, []) if at else changed
        for place in [found] if isinstance(found, dict) else found:
            place[name] = [text] if several else text
    return changed


async def _attack_classic(assault: Assault, watched: set[tuple[str, str, bool]]) -> set[str]:
    attacked = set()
    for route, template in CLASSIC.items():
        method, path = route.split()
        start = {k: assault.ids[k] if v == "" else v for k, v in template.items()}
        updates = {"POST": "PATCH"}.get(method, "PUT"), re.sub(r"^(/api/(?:alert|case|dashboard|page))$", r"\1/{id}", path)
        for way, where in {(method, path), *({updates} if updates[1] != path else set())}:
            where = where.replace("{id}", assault.ids[where.split("/")[2]]) if "{id}" in where else where
            watched.clear()
            await assault(way, where, start, "plain")
            keys = set(watched) | {("artifacts", "data", False), ("", "data", False), ("", "value", False)}
            keys = {one for one in keys if one[0] in ("", *start)}
            attacked |= {f"{route} {at}.{name}" for at, name, _ in keys}
            free = {key for key in sorted(keys) if await assault(way, where, _with(start, {key}, "plain"), "plain")}
            for name, text in TEXTS.items():
                at_once = bool(free) and await assault(way, where, _with(start, free, text), name)
                for key in sorted(keys) if name in NASTY else ():
                    if not (at_once and key in free):
                        await assault(way, where, _with(start, {key}, text), name)
            for _, name, _ in keys:
                await assault(way, where, {**start, name: HOLE}, "deep")
            for odd in ("customFields", "artifacts", "tasks", "parameters", "definition", "value"):
                await assault(way, where, {**start, odd: HOLE}, "deep")
                await assault(way, where, {**start, odd: {"own": HOLE}}, "deep")
    return attacked


async def _everything_answers(world: Any, assault: Assault, stream: str) -> None:
    async def good(client: Any, method: str, path: str, body: Any = None) -> Any:
        answer = await client.request(method, path, content=encoded(body), headers=JSON) if body else await client.get(path)
        assert answer.status_code < 300, (method, path, answer.status_code, answer.text[:500])
        return answer

    for source in SOURCES:
        for client in (world.soc, world.reader):
            steps = [{"_name": f"list{source}"}, {"_name": "page", "from": 0, "to": 500, "extraData": ["total"]}]
            found = await good(client, "POST", "/api/v1/query", {"query": steps})
            assert isinstance(found.json(), list), source
    assert SEARCHES.keys() == KINDS.keys()
    for path in SEARCHES.values():
        await good(world.soc, "POST", f"/api{path}/_search?range=all&nparent=2&nstats=true", {"query": {}})
        await good(world.soc, "POST", f"/api{path}/_stats", {"stats": [{"_agg": "count"}]})
    groups = await good(world.soc, "GET", f"/api/stream/{stream}")
    assert groups.json()
    await good(world.soc, "GET", "/api/flow?rootId=any&count=1000")
    for kind in ("txt", "csv", "misp", "stix"):
        for protect in ("true", "false"):
            path = f"/api/v1/case/{assault.ids['case']}/observable/_export?format={kind}&protect={protect}"
            await good(world.soc, "GET", path)
    for text in TEXTS.values():
        if len(text) > 10_000:
            continue
        for path in ("/api/alert/_search", "/api/case/artifact/_search"):
            for query in ({"_string": text}, {"_like": {"title": text}}, {"_field": text, "_value": text}, {"_in": HOLE}):
                answer = await world.soc.post(path, content=encoded({"query": query}), headers=JSON)
                assert answer.status_code < 500, (path, query, answer.text[:300])
    for route in routes_of(world.app):
        if "GET" not in (route.methods or ()) or NOT_ASKED.search(route.path):
            continue
        answer = await world.soc.get(assault.path(route.path))
        assert answer.status_code < 500, (route.path, answer.text[:500])
        if "{" in route.path:
            for odd in ("%00", "%ff%fe", "%F0%9F%98%80", "~99999999999999999999", "a" * 3000, "..%2f..", "%27%22%3B--"):
                answer = await world.soc.get(re.sub(r"\{[^}]+\}", odd, route.path))
                assert answer.status_code < 500, (route.path, odd, answer.text[:300])


@pytest.mark.timeout(400)
async def test_hostile_texts_are_stored_or_refused_and_everything_still_answers(
    world: Any, watched: set[tuple[str, str, bool]]
) -> None:
    assault = Assault(world, await lived_in(world))
    stream = (await world.soc.post("/api/stream")).text
    await _attack_documented(assault, Document(world.app.openapi()))
    attacked = await _attack_classic(assault, watched)
    assert {"POST /api/alert .title", "POST /api/alert artifacts.message", "POST /api/case tasks.title"} <= attacked
    for raw in (b'{"title": "\xff\xfe"}', b"[" * 100_000, DEEP.encode(), b'{"a":' * 1000, b'"x"', b"\0", b"{}" * 2):
        for path in ("/api/v1/alert", "/api/alert", "/api/v1/case", "/api/case/_search", "/api/v1/query"):
            answer = await world.soc.post(path, content=raw, headers=JSON)
            assert 400 <= answer.status_code < 500, (path, raw[:20], answer.status_code)
    assert assault.failures == []
    assert {name for name in TEXTS if not assault.stored[name]} <= UNSTORABLE
    await _everything_answers(world, assault, stream)
