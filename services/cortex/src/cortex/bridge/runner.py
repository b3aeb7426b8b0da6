"""Asks a module of a misp-modules server instead of starting a program; its answer is written as a program would write it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson

from cortex.bridge.results import Found, ModuleFailed, report
from cortex.bridge.types import misp_type_for
from cortex.runner.egress import Pass
from cortex.runner.job import Worker
from cortex.runner.protocol import CannotStart, Ended
from waggle.archives import protected
from waggle.security.outbound import OutboundGuard, OutboundRefused, guarded_client

GRACE = 5.0
"""Seconds that the server has, beyond the module's own limit, to say that the module has run out of time."""
CONNECT_SECONDS = 10.0
UNTIL_CONNECTED = httpx.Timeout(None, connect=CONNECT_SECONDS)
"""How long an answer may take is the job's limit."""
SAMPLE_PASSWORD = "infected"  # noqa: S105 (MISP's convention)


class ModuleRunner:
    """`server` comes from the operator's environment, so its host is trusted. `max_answer` in bytes."""

    name = "misp-modules"

    def __init__(self, server: str, *, max_answer: int) -> None:
        self._server = server.rstrip("/")
        self._max_answer = max_answer
        self._client: httpx.AsyncClient | None = None

    def fits(self, worker: Worker) -> bool:
        return worker.misp_module is not None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def run(self, worker: Worker, folder: Path, leave: Pass, *, time_limit: float) -> Ended:
        assert worker.misp_module is not None
        module = worker.misp_module
        given = orjson.loads((folder / "input" / "input.json").read_bytes())
        body, asked = await _question(module, given, folder)
        body["timeout"] = max(1, int(time_limit))
        try:
            async with asyncio.timeout(time_limit + GRACE):
                answer = await self._ask(body)
        except TimeoutError:
            return Ended(0, "", "time")
        try:
            found = report(answer, module=module["name"], version=module["version"], asked=asked, tlp=given["tlp"])
        except ModuleFailed as failure:
            found = Found({"success": False, "errorMessage": str(failure)})
        await asyncio.to_thread(_write, folder / "output", found)
        return Ended(0, "")

    async def _ask(self, body: dict[str, Any]) -> Any:
        """The answer's JSON, whatever the server calls it: it says text/html (misp.md §6.2)."""
        if self._client is None:
            self._client = guarded_client(OutboundGuard().trusting(), timeout=CONNECT_SECONDS)
        content = bytearray()
        try:
            async with self._client.stream(
                "POST", f"{self._server}/query", content=orjson.dumps(body), timeout=UNTIL_CONNECTED
            ) as answer:
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > self._max_answer:
                        raise CannotStart(f"The module's answer is over {self._max_answer >> 20} MiB (CORTEX_MAX_REPORT_MIB).")
        except (httpx.HTTPError, OutboundRefused, OSError) as error:
            raise CannotStart(
                f"The misp-modules server at {self._server} does not answer: {error or type(error).__name__}. "
                "Start it, or correct CORTEX_MISP_MODULES_URL, then run the job again."
            ) from None
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise CannotStart(
                f"The misp-modules server at {self._server} answers with status {answer.status_code} and no JSON: "
                f"{content[:200].decode('utf-8', 'replace')}"
            ) from None


async def _question(module: dict[str, Any], given: dict[str, Any], folder: Path) -> tuple[dict[str, Any], str]:
    """The body of the query, and the value it is about. Raises CannotStart where the module takes nothing like it."""
    is_file = "file" in given
    value = str(given["filename"] if is_file else given["data"])
    misp_type = misp_type_for("file" if is_file else given["dataType"], value, module["inputs"])
    if misp_type is None:
        raise CannotStart(
            f"The module {module['name']} takes no {given['dataType']} like this one; it takes {', '.join(module['inputs'])}."
        )
    data = None
    if is_file:
        path = folder / "input" / given["file"]
        if misp_type == "malware-sample":
            content = await asyncio.to_thread(path.read_bytes)
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            value, packed = f"{value}|{digest}", folder / "input" / "sample.zip"
            await protected(path, packed, name=digest, password=SAMPLE_PASSWORD)
            path = packed
        data = base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode()
    elif misp_type == "regkey|value":
        value = f"{value}|"
    config = {name: given["config"].get(name) for name in module["config"] if given["config"].get(name) is not None}
    body: dict[str, Any] = {"module": module["name"]}
    if module["standard"]:
        body["attribute"] = {"type": misp_type, "value": value, "uuid": str(uuid4()), **({"data": data} if data else {})}
    else:
        body |= {misp_type: value, **({"data": data} if data else {})}
    return {**body, **({"config": config} if config else {})}, value


def _write(output: Path, found: Found) -> None:
    for name, content in found.files.items():
        (output / name).write_bytes(content)
    (output / "output.json").write_bytes(orjson.dumps(found.output))
