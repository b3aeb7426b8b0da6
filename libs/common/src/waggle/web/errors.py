"""Every failure as `{type, message}` with the right status: the one place where errors meet HTTP."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from waggle.errors import BadRequest, CreateError, Forbidden, InvalidFields, SearchTooSlow, Unavailable, WaggleError
from waggle.web.answers import JsonResponse

log = structlog.get_logger(__name__)

HTTP_TYPES = {401: "AuthenticationError", 403: "AuthorizationError", 404: "NotFoundError", 405: "MethodNotAllowed"}
MISSING = {"missing", "missing_argument"}
UNAVAILABLE = ("08", "53", "57", "58")  # connection, resources, operator intervention, system error
RETRYABLE = ("40001", "40P01", "25006", "55P03")  # serialisation, deadlock, read-only, lock
NOT_TEXT = ("22021", "22P05")
UNWRITABLE = ("surrogates not allowed", "Recursion limit reached")


def answer(error: WaggleError) -> JsonResponse:
    headers = {"Retry-After": str(error.extra.get("retry_after", 5))} if error.status in (429, 503) else None
    return JsonResponse(error.body(), status_code=error.status, headers=headers)


def field_error(error: dict[str, Any]) -> dict[str, Any]:
    """One of pydantic's errors in the form of the contracts (hive-v1 §1.4)."""
    location = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    name = ".".join(location) or "body"
    if error["type"] in MISSING:
        return {"type": "MissingAttributeError", "name": name, "message": f"Attribute {name} is missing"}
    if error["type"] == "extra_forbidden":
        return {"type": "UnknownAttributeError", "name": name, "message": f"Unknown attribute {name}"}
    message = f"Invalid format for {name}: {error['msg']}"
    return {"type": "InvalidFormatAttributeError", "name": name, "message": message}


def validation_failure(errors: list[dict[str, Any]]) -> WaggleError:
    if any(e["type"] in ("json_invalid", "json_type") for e in errors):
        return BadRequest("the body is not valid JSON")
    return InvalidFields([field_error(e) for e in errors])


def unwritable(error: BaseException) -> bool:
    """Whether JSON could not be written for what a client sent: half of a surrogate pair, or lists in lists in lists."""
    return isinstance(error, orjson.JSONEncodeError) and any(reason in str(error) for reason in UNWRITABLE)


def database_failure(error: BaseException) -> WaggleError | None:
    """What a database error means to the caller; None when it is a fault of ours."""
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, PoolTimeout | OSError | asyncpg.InterfaceError | asyncpg.InternalClientError) and not isinstance(error, ValueError):
        return Unavailable("the database does not answer; try again")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Unavailable("the database went away; try again")
    if isinstance(error, asyncpg.exceptions.DataError | UnicodeEncodeError) and state is None:
        return BadRequest("a value is out of range or not valid text")
    if unwritable(getattr(error, "orig", None) or error):
        return BadRequest("a text is not valid Unicode, or a value is nested too deep")
    if state is None:
        return None
    if state in NOT_TEXT:
        return BadRequest("a text holds a character that cannot be stored (NUL)")
    if state[:2] == "22":
        return BadRequest("a value is out of range or of the wrong form")
    if state == "23505":
        return CreateError("an object of that name exists already")
    if state == "23503":
        return BadRequest("it refers to something that does not exist, or is referred to itself")
    if state == "57014":
        return SearchTooSlow()
    if state == "42501" and "row-level security" in str(error):
        # The service's own check passed a moment ago, and the right was withdrawn before the write.
        return Forbidden("your right to this was taken back while it was under way")
    if state[:2] in UNAVAILABLE or state in RETRYABLE:
        return Unavailable("the database cannot do this now; try again")
    return None


async def on_waggle_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, WaggleError)
    return answer(error)


async def on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(validation_failure(list(error.errors())))


async def on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTP_TYPES.get(error.status_code, "BadRequest")
    message = str(error.detail)
    if error.status_code == 404 and message == "Not Found":
        kind, message = "NotFound", "no such route"
    return JsonResponse({"type": kind, "message": message}, status_code=error.status_code, headers=error.headers)


def unexpected(error: BaseException) -> Response:
    """The answer to what nobody foresaw: the reason is in the log under the request's id, never in the answer."""
    known = database_failure(error)
    if known is not None:
        log.warning("database_failure", error=str(error)[:500], status=known.status)
        return answer(known)
    log.error("unexpected_failure", exc_info=error)
    return JsonResponse({"type": "InternalError", "message": "internal error; see the log for this request id"}, 500)


def install(app: FastAPI) -> None:
    app.add_exception_handler(WaggleError, on_waggle_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
