"""Marks on routes: who may call them. A route without a mark fails the test that walks all routes (threats S02, S28, S30)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends
from fastapi.routing import APIRoute


class Requirement:
    """Base of the callables that check a caller. A service's `require(...)` returns `Depends(<Requirement>)`."""


class _Anyone(Requirement):
    def __call__(self) -> None:
        """Nothing to check."""


def Public() -> Any:  # noqa: N802 (reads as a mark, like Depends)
    """Marks a route as open to anonymous callers, on purpose."""
    return Depends(_Anyone())


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


class _Route(Protocol):
    """What the walks read of a route, be it the application's own or one of an included router."""

    path: str
    methods: Any
    dependant: Any


def routes_of(app: FastAPI) -> Iterator[_Route]:
    """Every route of the application. FastAPI keeps included routers as they are, and works their routes out on demand."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "effective_route_contexts"):
            yield from (r for r in route.effective_route_contexts() if isinstance(r.original_route, APIRoute))


def requirements_of(route: _Route) -> list[Requirement]:
    return [call for call in _calls(route.dependant) if isinstance(call, Requirement)]


def unguarded_routes(app: FastAPI) -> list[str]:
    """Method and path of every route that declares no requirement."""
    return [f"{sorted(r.methods or ())} {r.path}" for r in routes_of(app) if not requirements_of(r)]


def public_routes(app: FastAPI) -> list[str]:
    """Method and path of every route that is open to anonymous callers."""
    return [
        f"{method} {r.path}"
        for r in routes_of(app)
        if any(isinstance(q, _Anyone) for q in requirements_of(r))
        for method in sorted(r.methods or ())
    ]
