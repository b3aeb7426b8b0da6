"""Marks on routes: the right a key needs, or the service key that fetches claims."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import SecretStr

from misp_connector.access.service import Caller, Right, find_caller
from waggle.db import Scope
from waggle.errors import AuthenticationFailed, Forbidden
from waggle.web import request_id
from waggle.web.access import Requirement


def bearer(authorization: str) -> str:
    """The key of an `Authorization` header. Raises AuthenticationFailed when there is none."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise AuthenticationFailed
    return key.strip()


class KeyWith(Requirement):
    """A caller whose key has the right."""

    def __init__(self, right: Right) -> None:
        self._right = right

    async def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> Caller:
        key = bearer(authorization)
        async with request.app.state.runtime.database.begin(Scope(request_id=request_id())) as session:
            caller = await find_caller(session, key=key)
        if caller is None:
            raise AuthenticationFailed
        if self._right not in caller.rights:
            raise Forbidden(f"this needs a key with the right {self._right}")
        return caller


class ServiceKey(Requirement):
    """A neighbour service, by the key agreed at set-up (`MISP_CONNECTOR_SERVICE_KEYS`)."""

    def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> str:
        key = bearer(authorization)
        keys: Mapping[str, SecretStr] = request.app.state.runtime.settings.service_keys
        for service, expected in keys.items():
            if hmac.compare_digest(key.encode(), expected.get_secret_value().encode()):
                return service
        raise AuthenticationFailed


def require(right: Right) -> Any:
    return Depends(KeyWith(right))


Reader = Annotated[Caller, require(Right.READ)]
Manager = Annotated[Caller, require(Right.MANAGE)]
Neighbour = Annotated[str, Depends(ServiceKey())]
