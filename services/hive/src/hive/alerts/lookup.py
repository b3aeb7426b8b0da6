"""Finding alerts: by id or by their triple, visible to the caller or not there at all."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.tables import number_of
from waggle.errors import NotFound


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Alert:
    """The alert of an id (`~4096`) or a triple (`type;source;sourceRef`). Raises NotFound."""
    statement = select(Alert)
    number = number_of(reference)
    if number is not None:
        statement = statement.where(Alert.id == number)
    else:
        kind, _, rest = reference.partition(";")
        source, _, source_ref = rest.partition(";")
        statement = statement.where(Alert.type == kind, Alert.source == source, Alert.source_ref == source_ref)
    if for_update:
        statement = statement.with_for_update(of=Alert).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Alert {reference[:200]} not found")
    return found


async def of_case(session: AsyncSession, case_id: int) -> list[Alert]:
    """The alerts that became this case or were merged into it, oldest first."""
    return list(await session.scalars(select(Alert).where(Alert.case_id == case_id).order_by(Alert.id)))
