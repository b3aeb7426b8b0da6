"""Who asks, for which organisation, and what they may do there."""

from __future__ import annotations

from dataclasses import dataclass

from hive.identity.permissions import Permission
from hive.tables import SYSTEM_LOGIN
from waggle.db import Scope
from waggle.errors import Forbidden
from waggle.web import request_id


@dataclass(frozen=True, slots=True)
class Caller:
    """`user_id` 0 is the platform itself, acting for an organisation (a message from a neighbour).

    `visiting`: an administrator who is no member of this organisation; may administer it and sees none of its cases.
    """

    user_id: int
    login: str
    name: str
    org_id: int
    organisation: str
    profile: str
    permissions: frozenset[str]
    by_cookie: bool = False
    visiting: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def check(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Forbidden(f"this needs the permission {permission}")

    def scope(self) -> Scope:
        return Scope(str(self.org_id), str(self.user_id), request_id())


def platform_caller(org_id: int, organisation: str) -> Caller:
    """The platform acting for an organisation: consumers of messages, seeds."""
    return Caller(0, SYSTEM_LOGIN, "Waggle", org_id, organisation, "org-admin", frozenset(Permission))
