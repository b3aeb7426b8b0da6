"""Cases from MISP events: what is an event, and what answers where no connector takes one."""

from __future__ import annotations

import json
from typing import Any

EVENT = {"Event": {"uuid": "5f1f", "info": "An event", "Attribute": []}}
PATH = "/api/v1/connector/misp/case/import"


async def test_access(world: Any) -> None:
    files = {"file": ("event.json", json.dumps(EVENT).encode())}
    assert (await world.anonymous.post(PATH, files=files)).status_code == 401
    assert (await world.reader.post(PATH, files=files)).status_code == 403


async def test_an_event_needs_a_connector(world: Any) -> None:
    files = {"file": ("event.json", json.dumps(EVENT).encode())}
    answer = await world.soc.post(PATH, files=files, data={"_json": "{}"})
    assert (answer.status_code, answer.json()["type"]) == (503, "ServiceUnavailable")
    assert await world.query({"_name": "listCase"}) == []


async def test_what_is_no_event_is_refused_in_the_words_of_the_contract(world: Any) -> None:
    for content in (b"{}", b"", b"not json", b"[]", b'{"Event": []}', b'{"Event": {"info": 7, "uuid": "x"}}'):
        answer = await world.soc.post(PATH, files={"file": ("event.json", content)}, data={"_json": "{}"})
        assert answer.status_code == 400, content
        assert answer.json() == {"type": "BadRequest", "message": "Could not convert json to MISP event"}
