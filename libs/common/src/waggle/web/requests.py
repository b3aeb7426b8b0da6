"""Facts about the request that is being answered."""

from __future__ import annotations

from contextvars import ContextVar

from starlette.requests import HTTPConnection

from waggle.ids import uuid7

REQUEST_ID: ContextVar[str] = ContextVar("waggle_request_id", default="")
MAX_GIVEN_ID = 128


def request_id() -> str:
    """The id of the request, kept across messages; empty outside of one."""
    return REQUEST_ID.get()


def accepted_request_id(given: bytes | None) -> str:
    """The caller's own id where it is short and printable, else a new one."""
    if given and len(given) <= MAX_GIVEN_ID and all(33 <= byte < 127 for byte in given):
        return given.decode("ascii")
    return str(uuid7())


def client_address(connection: HTTPConnection) -> str:
    """The caller's address; behind a proxy named as trusted, the one the proxy reports."""
    return connection.client.host if connection.client else ""
