"""A Docker daemon that is none, but looks at every field and runs the programs that it takes for images."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from waggle.waiting import wait_at_most


@dataclass
class Daemon:
    """Answers as Docker does, as far as one container goes. `seconds`: how long the container runs.

    `programs`: the arguments of what an image runs, by its name; without one the container reports success at once.
    """

    jobs: Path
    url: str = ""
    images: set[str] = field(default_factory=set)
    pullable: bool = True
    seconds: float = 0
    programs: dict[str, list[str]] = field(default_factory=dict)
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[str] = field(default_factory=list)
    created: dict[str, Any] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.path.lstrip("/").partition("/")[2] if request.path.startswith("/v1.") else request.path
        self.calls.append(f"{request.method} {path}")
        match request.method, path:
            case "GET", "/version":
                return web.json_response({"ApiVersion": "1.47"})
            case "POST", "/images/create":
                name = f"{request.query['fromImage']}" + (f":{request.query['tag']}" if "tag" in request.query else "")
                if not self.pullable:
                    return web.json_response({"message": "no such image at the registry"}, status=404)
                self.images.add(name)
                return web.json_response({"status": "pulled"})
            case "POST", "/containers/create":
                self.created = await request.json()
                if self.created["Image"] not in self.images:
                    return web.json_response({"message": f"No such image: {self.created['Image']}"}, status=404)
                return web.json_response({"Id": "c1", "Warnings": []}, status=201)
            case "POST", "/containers/c1/start":
                bind = self.created["HostConfig"]["Binds"][0].split(":")[0]
                folder = self.jobs / Path(bind).name
                await self._run(self.created["Image"], folder)
                return web.Response(status=204)
            case "POST", "/containers/c1/wait":
                await wait_at_most(self.killed, self.seconds)
                return web.json_response({"StatusCode": 0})
            case "POST", "/containers/c1/kill":
                self.killed.set()
                return web.Response(status=204)
            case "GET", "/containers/c1/logs":
                text = b"its words"
                framed = b"\x01\0\0\0" + len(text).to_bytes(4, "big") + text
                return web.Response(body=framed, content_type="application/vnd.docker.raw-stream")
            case "GET", "/containers/c1/json":
                return web.json_response({"Id": "c1", "Config": {"Tty": False}})
            case "DELETE", "/containers/c1":
                return web.Response(status=204)
            case "GET", _ if path.startswith("/images/"):
                known = path.removeprefix("/images/").removesuffix("/json") in self.images
                return web.json_response({} if known else {"message": "no such image"}, status=200 if known else 404)
        return web.json_response({"message": f"what is {request.method} {path}?"}, status=500)

    async def _run(self, image: str, folder: Path) -> None:
        """What the container does. A real one finds its folder at /job and gets no arguments; the path stands for the mount."""
        assert "Cmd" not in self.created
        if image not in self.programs:
            (folder / "output" / "output.json").write_text(json.dumps({"success": True, "full": {}}))
            return
        process = await asyncio.create_subprocess_exec(*self.programs[image], str(folder))
        await process.wait()


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    made = Daemon(tmp_path / "jobs")
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.handle)
    server = web.AppRunner(app)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{server.addresses[0][1]}"
    yield made
    await server.cleanup()
