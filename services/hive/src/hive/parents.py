"""The alert or the case that something hangs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.lookup import find as find_alert
from hive.audit.service import Root
from hive.cases import rights
from hive.cases.lookup import find as find_case
from hive.identity.caller import Caller
from hive.identity.permissions import Permission


@dataclass(frozen=True, slots=True)
class Parent:
    """`org_id` is the organisation that owns the alert or case."""

    kind: Literal["alert", "case"]
    id: int
    org_id: int

    @property
    def alert_id(self) -> int | None:
        return self.id if self.kind == "alert" else None

    @property
    def case_id(self) -> int | None:
        return self.id if self.kind == "case" else None

    @property
    def root(self) -> Root:
        return Root(self.kind, self.id)

    async def check(self, session: AsyncSession, caller: Caller, permission: Permission) -> None:
        """Raises Forbidden."""
        await rights.check(session, caller, case_id=self.case_id, org_id=self.org_id, permission=permission)


async def alert_parent(session: AsyncSession, reference: str) -> Parent:
    """Raises NotFound."""
    alert = await find_alert(session, reference)
    return Parent("alert", alert.id, alert.org_id)


async def case_parent(session: AsyncSession, reference: str) -> Parent:
    """Raises NotFound."""
    case = await find_case(session, reference)
    return Parent("case", case.id, case.org_id)


def parent_of(*, alert_id: int | None, case_id: int | None, org_id: int) -> Parent:
    """The parent by the columns of a row that hangs on it."""
    if case_id is not None:
        return Parent("case", case_id, org_id)
    assert alert_id is not None
    return Parent("alert", alert_id, org_id)
