"""Errors a caller can act on: one class per kind, mapped to HTTP (`waggle.web`) or a dead letter in one place.

Every answer carries `type` and `message`; the types and codes are those of contracts hive-v1 §1.4 and cortex §1.6.
"""

from __future__ import annotations

from typing import Any, ClassVar


class WaggleError(Exception):
    """A refusal with a reason. `message` says what to do; `extra` are further keys of the answer's body."""

    status: ClassVar[int] = 400
    type: ClassVar[str] = "BadRequest"

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {"type": self.type, "message": self.message, **self.extra}


class BadRequest(WaggleError):
    """Malformed input, an illegal change of state, a broken business rule."""


class InvalidFields(WaggleError):
    """One or more fields are missing, unknown, read-only or of a wrong form. `errors` has one entry per field."""

    type = "AttributeCheckingError"

    def __init__(self, errors: list[dict[str, Any]], **extra: Any) -> None:
        super().__init__("; ".join(str(e["message"]) for e in errors), errors=errors, **extra)

    @classmethod
    def missing(cls, *names: str) -> InvalidFields:
        return cls([{"type": "MissingAttributeError", "name": n, "message": f"Attribute {n} is missing"} for n in names])

    @classmethod
    def invalid(cls, name: str, why: str) -> InvalidFields:
        return cls([{"type": "InvalidFormatAttributeError", "name": name, "message": f"Invalid format for {name}: {why}"}])

    @classmethod
    def unknown(cls, *names: str) -> InvalidFields:
        return cls([{"type": "UnknownAttributeError", "name": n, "message": f"Unknown attribute {n}"} for n in names])


class CreateError(WaggleError):
    """The object cannot be created: it exists already."""

    type = "CreateError"


class ConflictError(WaggleError):
    """An object of that id exists already (Cortex' word for CreateError)."""

    type = "ConflictError"


class AuthenticationFailed(WaggleError):
    """Missing, wrong or stale credentials; never says which."""

    status = 401
    type = "AuthenticationError"

    def __init__(self, message: str = "Authentication failure", **extra: Any) -> None:
        super().__init__(message, **extra)


class SearchTooSlow(WaggleError):
    """A query that did not end within its time limit."""

    status = 408
    type = "SearchError"

    def __init__(self, message: str = "the search takes too long; narrow it by a date, a status or an exact value") -> None:
        super().__init__(message)


class Forbidden(WaggleError):
    """A known user without the permission."""

    status = 403
    type = "AuthorizationError"


class NotFound(WaggleError):
    """Absent, or not visible to the caller: the answer does not reveal which."""

    status = 404
    type = "NotFoundError"


class VersionConflict(WaggleError):
    """Somebody changed the object since the caller read it; `current` is how it stands now."""

    status = 412
    type = "VersionConflict"


class TooLarge(WaggleError):
    """A body or file over its limit."""

    status = 413
    type = "BadRequest"


class TooManyRequests(WaggleError):
    status = 429
    type = "RateLimitExceeded"


class Unavailable(WaggleError):
    """Something outside (database, disk, a neighbour) does not answer; trying again later is right."""

    status = 503
    type = "ServiceUnavailable"
