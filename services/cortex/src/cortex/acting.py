"""Who acts: the caller of a route, the sender of a message, the command line. Services take it, and never ask the request."""

from __future__ import annotations

from dataclasses import dataclass

from waggle.db import Scope


@dataclass(frozen=True, slots=True)
class Actor:
    """`organisation` is both whose rows are visible and where new ones go. Roles have no order: each stands for itself."""

    login: str
    organisation: str
    roles: frozenset[str]
    name: str = ""
    request_id: str = ""

    def holds(self, *roles: str) -> bool:
        """Whether the actor holds one of these roles literally."""
        return not self.roles.isdisjoint(roles)

    @property
    def scope(self) -> Scope:
        return Scope(org=self.organisation, user=self.login, request_id=self.request_id)


SYSTEM = "system"
"""The login that set-up and machinery write as."""
