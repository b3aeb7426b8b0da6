"""Calls to a Cortex elsewhere, over its public REST API, through the outbound guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from hive.analysis.models import CortexServer
from hive.platform import Hive
from waggle.security.outbound import guarded_client

TIMEOUT = 30.0
TLP_NUMBERS = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "AMBER+STRICT": 3, "RED": 3}
PAP_NUMBERS = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "RED": 3}


class RemoteFailed(Exception):
    """The server refused the call for good; the text is for the analyst."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be analyzed; `content` is a file's bytes (then `data` is None)."""

    worker_id: str
    data_type: str
    data: str | None
    tlp: str
    pap: str
    message: str
    parameters: dict[str, Any]
    file_name: str | None = None
    content_type: str | None = None
    content: bytes | None = None


class RemoteCortex:
    def __init__(self, hive: Hive, server: CortexServer) -> None:
        assert server.url is not None and server.sealed_key is not None
        self._url = server.url.rstrip("/")
        key = hive.secrets.open(server.sealed_key, context=f"cortex_servers:{server.name}").decode()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._guard = hive.outbound.trusting()  # servers come from the operator's settings

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        async with guarded_client(self._guard, timeout=TIMEOUT) as client:
            response = await client.request(method, f"{self._url}/api/{path}", headers=self._headers, **options)
        if response.status_code >= 500 or response.status_code == 429:
            response.raise_for_status()
        if response.status_code >= 400:
            raise RemoteFailed(f"Cortex answered {response.status_code}: {response.text[:500]}")
        return response.json()

    async def submit(self, what: Submission) -> str:
        """The id of the remote job. Raises RemoteFailed, or httpx.HTTPError where another try may help."""
        fields: dict[str, Any] = {
            "dataType": what.data_type, "tlp": TLP_NUMBERS[what.tlp], "pap": PAP_NUMBERS[what.pap],
            "message": what.message, "parameters": what.parameters,
        }  # fmt: skip
        path = f"analyzer/{what.worker_id}/run"
        if what.content is not None:
            file = (what.file_name or "file", what.content, what.content_type or "application/octet-stream")
            json_part = ("_json", orjson.dumps(fields), "application/json")
            job = await self._call("POST", path, files={"_json": json_part, "attachment": file})
        else:
            job = await self._call("POST", path, json={**fields, "data": what.data})
        return str(job["id"])

    async def report(self, job_id: str) -> dict[str, Any]:
        """The remote job with its report, as far as there is one."""
        found = await self._call("GET", f"job/{job_id}/report")
        if not isinstance(found, dict):
            raise RemoteFailed("Cortex answered something that is no job")
        return found

    async def analyzers(self) -> list[dict[str, Any]]:
        found = await self._call("POST", "analyzer/_search?range=all", json={"query": {}})
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
