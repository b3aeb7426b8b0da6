"""Calls to a Cortex elsewhere, over its public REST API (contracts/cortex.md §8.1), through the outbound guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from hive.analysis.models import CortexServer
from hive.analysis.subjects import Subject
from hive.platform import Hive
from waggle.security.outbound import guarded_client

TIMEOUT = 120.0
MAX_ANSWER = 64 << 20
TLP_NUMBERS = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "AMBER+STRICT": 3, "RED": 3}
PAP_NUMBERS = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "RED": 3}
TRY_AGAIN = frozenset({408, 425, 429})


class RemoteFailed(Exception):
    """The server refused the call for good; the text is for the analyst."""


class RemoteGarbled(Exception):
    """The server answered something that is not of this API: a proxy's page, half an answer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be run; `content` is the subject's file, if it is one."""

    worker_id: str
    subject: Subject
    parameters: dict[str, Any]
    content: Path | None = None


class RemoteCortex:
    def __init__(self, hive: Hive, server: CortexServer) -> None:
        assert server.url is not None and server.sealed_key is not None
        self._url = server.url.rstrip("/")
        key = hive.secrets.open(server.sealed_key, context=f"cortex_servers:{server.name}").decode()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._guard = hive.outbound.trusting()  # servers come from the operator's settings

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """An answer of 2xx. Raises RemoteFailed for a refusal, httpx.HTTPError where another try may help."""
        url = f"{self._url}/api/{path}"
        async with (
            guarded_client(self._guard, timeout=TIMEOUT) as client,
            client.stream(method, url, headers=self._headers, **options) as response,
        ):
            if response.status_code >= 500 or response.status_code in TRY_AGAIN:
                response.raise_for_status()
            if response.status_code >= 400:
                reason = (await _limited(response, 4096)).decode("utf-8", "replace")
                raise RemoteFailed(f"Cortex answered {response.status_code}: {reason[:500]}")
            if response.status_code >= 300:
                raise RemoteGarbled(f"Cortex answered {response.status_code}, which leads elsewhere")
            yield response

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        async with self._answer(method, path, **options) as response:
            body = await _limited(response, MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            raise RemoteFailed(f"Cortex answered more than {MAX_ANSWER >> 20} MiB")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise RemoteGarbled("Cortex answered something that is not JSON") from None

    async def submit(self, what: Submission) -> str:
        """The id of the remote job."""
        subject = what.subject
        fields: dict[str, Any] = {
            "dataType": subject.data_type, "tlp": TLP_NUMBERS[subject.tlp], "pap": PAP_NUMBERS[subject.pap],
            "message": subject.message, "parameters": what.parameters,
        }  # fmt: skip
        if subject.label is not None:
            fields["label"] = subject.label
        path = f"{subject.kind}/{what.worker_id}/run"
        if what.content is not None and subject.file is not None:
            with what.content.open("rb") as content:
                json_part = (None, orjson.dumps({**fields, "data": None}), "application/json")
                parts = [("data", (subject.file.name, content, subject.file.content_type)), ("_json", json_part)]
                job = await self._call("POST", path, files=parts)
        else:
            data = orjson.loads(subject.data or "null") if subject.kind == "responder" else subject.data
            job = await self._call("POST", path, json={**fields, "data": data})
        if not isinstance(job, dict) or not isinstance(job.get("id") or job.get("_id"), str):
            raise RemoteGarbled("Cortex answered something that is no job")
        return str(job.get("id") or job["_id"])

    async def report(self, job_id: str) -> dict[str, Any]:
        """The remote job with its report, as far as there is one."""
        found = await self._call("GET", f"job/{job_id}/report")
        if not isinstance(found, dict) or not isinstance(found.get("status"), str):
            raise RemoteGarbled("Cortex answered something that is no job")
        return found

    @asynccontextmanager
    async def file(self, file_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The content of a file that a report found."""
        async with self._answer("GET", f"datastore/{file_id}") as response:
            yield response.aiter_bytes()

    async def workers(self, kind: str) -> list[dict[str, Any]]:
        """All analyzers, or all responders."""
        found = await self._call("POST", f"{kind}/_search?range=all", json={"query": {}})
        if not isinstance(found, list):
            raise RemoteGarbled(f"Cortex answered something that is no list of {kind}s")
        return [one for one in found if isinstance(one, dict)]


async def _limited(response: httpx.Response, limit: int) -> bytes:
    """At most `limit` bytes of an answer."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])
