"""Writing the values of custom fields beside an alert or a case, and the copy the object shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.customfields.values import RECORD, FieldValue

Mode = Literal["replace", "append"]


async def write_fields(
    session: AsyncSession,
    *,
    kind: Literal["alert", "case"],
    parent_id: int,
    org_id: int,
    date: int,
    values: Sequence[FieldValue],
    mode: Mode,
) -> list[dict[str, Any]]:
    """Stores the values and returns the object's new copy of all of them.

    `replace`: these are all values. `append`: what is there stays, and a value that is there already is no change.
    """
    table, column = f"{kind}_fields", f"{kind}_id"
    if mode == "replace":
        await session.execute(text(f"DELETE FROM {table} WHERE {column} = :parent"), {"parent": parent_id})
    await session.execute(
        text(
            f"INSERT INTO {table} (org_id, field_no, {column}, ord, key, number, value, date)"
            f" SELECT :org, f.field_no, :parent, f.ord, f.key, f.number, coalesce(f.value, 'null'), :date"
            f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS {RECORD}"
            f" WHERE NOT EXISTS (SELECT FROM {table} x WHERE x.{column} = :parent AND x.field_no = f.field_no"
            f" AND x.value = coalesce(f.value, 'null')) ORDER BY f.ord"
        ),
        {"org": org_id, "parent": parent_id, "date": date, "rows": orjson.dumps([v.row() for v in values]).decode()},
    )
    found = await session.execute(
        text(
            f"SELECT x.id, d.name, d.type, x.value, x.ord FROM {table} x JOIN custom_fields d USING (field_no)"
            f" WHERE x.{column} = :parent ORDER BY x.ord, x.id"
        ),
        {"parent": parent_id},
    )
    return [{"id": r.id, "name": r.name, "type": r.type, "value": r.value, "order": r.ord} for r in found]
