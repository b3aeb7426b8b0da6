"""The stream that the web page polls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

IP = {"dataType": "ip", "data": "203.0.113.5"}


class TestAccess:
    async def test_is_for_readers_and_its_own_organisation(self, api: Any) -> None:
        assert (await api.anonymous.post("/api/stream")).status_code == 401
        assert (await api.superadmin.post("/api/stream")).status_code == 403
        made = await api.reader.post("/api/stream")
        assert made.headers["content-type"].startswith("text/plain") and made.text.isalnum() and len(made.text) == 10
        stranger = await api.user("r@other", ["read"], organisation="other")
        assert (await stranger.get(f"/api/stream/{made.text}")).status_code == 404
        assert (await api.anonymous.get(f"/api/stream/{made.text}")).status_code == 401

    @pytest.mark.parametrize("stream_id", ["x", "a-b-c-d-e-", "%00" * 10])
    async def test_what_is_no_id_is_a_400(self, api: Any, stream_id: str) -> None:
        assert (await api.reader.get(f"/api/stream/{stream_id}")).status_code in (400, 404)


class TestNews:
    async def test_jobs_and_workers_are_told_once_and_in_order(self, api: Any) -> None:
        stream = (await api.reader.post("/api/stream")).text
        worker = await api.enable()
        job = (await api.admin.post(f"/api/analyzer/{worker}/run", json=IP)).json()["id"]
        seen: list[dict[str, Any]] = []
        while len(seen) < 2:
            seen += (await api.reader.get(f"/api/stream/{stream}")).json()
        told = [(m["base"]["objectType"], m["base"]["operation"], m["base"]["objectId"]) for m in seen]
        assert told == [("worker", "Creation", worker), ("job", "Creation", job)]
        base = seen[1]["base"]
        assert base["object"]["status"] == "Waiting" and base["createdBy"] == "admin@lab" and base["rootId"] == job
        assert seen[1]["summary"] == {"job": {"Creation": 1}}
        await api.admin.delete(f"/api/job/{job}")
        (gone,) = (await api.reader.get(f"/api/stream/{stream}")).json()
        assert (gone["base"]["operation"], gone["base"]["details"]) == ("Delete", {"status": "Deleted"})

    async def test_call_waits_for_news_and_ends_empty_without(self, api: Any) -> None:
        async with api.with_settings(stream_seconds=1.0) as impatient:
            stream = (await impatient.reader.post("/api/stream")).text
            answer = await impatient.reader.get(f"/api/stream/{stream}")
            assert (answer.status_code, answer.json()) == (200, [])
        waiting = asyncio.create_task(api.reader.get(f"/api/stream/{stream}"))
        await asyncio.sleep(0.7)
        assert not waiting.done()
        worker = await api.enable()
        assert (await waiting).json()[0]["base"]["objectId"] == worker

    async def test_stream_that_nobody_reads_is_gone(self, api: Any) -> None:
        stream = (await api.reader.post("/api/stream")).text
        await api.bench.owner.execute("UPDATE streams SET read_at = now() - interval '16 minutes'")
        await api.reader.post("/api/stream")
        assert (await api.reader.get(f"/api/stream/{stream}")).status_code == 404

    async def test_session_that_ends_soon_is_told_by_220(self, api: Any) -> None:
        async with api.with_settings(session_minutes=1.0, stream_seconds=0.1) as short:
            client = short.client()
            assert (await client.post("/api/login", json={"user": "reader@lab", "password": api.password})).status_code == 200
            headers = {"Sec-Fetch-Site": "same-origin"}
            stream = (await client.post("/api/stream", headers=headers)).text
            assert (await client.get(f"/api/stream/{stream}")).status_code == 220
            await client.aclose()
