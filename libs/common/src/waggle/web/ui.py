"""The built pages of a service at `/`. Without a build the API runs all the same and the page says how to make one."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from waggle.web.access import Public

NOT_BUILT = (
    "<!doctype html><title>{title}</title><h1>{title}</h1><p>The API is running. The pages are not built:"
    " run <code>make web</code>, then reload.</p>"
)
RESERVED = ("api/", "health", "metrics", "modules", "query", "index.html/")


def mount(app: FastAPI) -> None:
    """To be called after all routes: `/assets` are files, any other path outside the API is the single-page application."""
    pages: Path | None = app.state.pages
    index = pages / "index.html" if pages else None
    if pages and (pages / "assets").is_dir():
        app.mount("/assets", StaticFiles(directory=pages / "assets"), name="assets")

    @app.get("/{path:path}", dependencies=[Public()], include_in_schema=False)
    async def page(path: str, request: Request) -> Response:
        if path.startswith(RESERVED) or path == "api":
            raise HTTPException(404)
        if index is None or not index.is_file():
            return HTMLResponse(NOT_BUILT.format(title=app.title))
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    app.head("/index.html", dependencies=[Public()], include_in_schema=False)(_empty)


async def _empty() -> Response:
    return HTMLResponse("")
