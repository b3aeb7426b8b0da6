"""Writing history. Rows of one request share its id; the first is the base, the others are its consequences.

`root` is the object a reader would open: the case for everything under it, the alert for what hangs on an alert. A row with
`case_id` is shown only to who may see that case today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.identity.caller import Caller
from waggle.ids import now_ms

Action = Literal["create", "update", "delete", "merge"]
INSERT = text(
    "INSERT INTO audit (at, org_id, base, action, kind, object_id, root_kind, root_id, case_id, actor, details, object)"
    " VALUES (:at, :org, :base, :action, :kind, :object_id, :root_kind, :root_id, :case_id, :actor,"
    " CAST(:details AS jsonb), CAST(:object AS jsonb))"
)


@dataclass(frozen=True, slots=True)
class Root:
    """The object under which a change is shown."""

    kind: Literal["alert", "case", "organisation", "user", "platform"]
    id: int

    @property
    def case_id(self) -> int | None:
        return self.id if self.kind == "case" else None


async def record(
    session: AsyncSession,
    caller: Caller,
    *,
    action: Action,
    kind: str,
    object_id: int,
    root: Root,
    details: Mapping[str, Any],
    base: bool = True,
    gone: Mapping[str, Any] | None = None,
) -> None:
    """`details`: the changed fields as the v1 API names them. `gone`: the deleted object's last state."""
    deleted_case = action == "delete" and kind == "case"
    await session.execute(
        INSERT,
        {
            "at": now_ms(), "org": caller.org_id, "base": base, "action": action, "kind": kind, "object_id": object_id,
            "root_kind": root.kind, "root_id": root.id, "case_id": None if deleted_case else root.case_id,
            "actor": caller.login, "details": orjson.dumps(details, default=str).decode(),
            "object": orjson.dumps(gone, default=str).decode() if gone is not None else None,
        },
    )  # fmt: skip


MANY = text(
    "INSERT INTO audit (at, org_id, base, action, kind, object_id, root_kind, root_id, case_id, actor, details)"
    " SELECT :at, :org, false, :action, 'observable', o.id, :root_kind, :root_id, :case_id, :actor,"
    " jsonb_build_object('dataType', o.data_type, 'data', o.data, 'tags', o.tags, 'ioc', o.ioc)"
    " FROM observables o WHERE o.id = ANY(:ids) ORDER BY o.id"
)


async def record_observables(session: AsyncSession, caller: Caller, *, action: Action, ids: list[int], root: Root) -> None:
    """One row per observable, in one statement: an alert may bring thousands."""
    await session.execute(
        MANY,
        {
            "at": now_ms(), "org": caller.org_id, "action": action, "root_kind": root.kind, "root_id": root.id,
            "case_id": root.case_id, "actor": caller.login, "ids": ids,
        },
    )  # fmt: skip
