"""Finding cases: by id or number, visible to the caller or not there at all."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.cases.models import Case
from hive.tables import number_of
from waggle.errors import NotFound

MAX_NUMBER = 2**31 - 1


async def find(session: AsyncSession, reference: str | int, *, for_update: bool = False, shells: bool = False) -> Case:
    """The case of an id (`~4096`) or a number (`12`). `shells`: also one that was merged into another. Raises NotFound."""
    statement = select(Case) if shells else select(Case).where(Case.merged_into.is_(None))
    text = str(reference)
    number = number_of(text)
    if number is not None:
        statement = statement.where(Case.id == number)
    elif text.isascii() and text.isdigit() and int(text) <= MAX_NUMBER:
        statement = statement.where(Case.number == int(text))
    else:
        raise NotFound(f"Case {text[:200]} not found")
    if for_update:
        statement = statement.with_for_update(of=Case).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Case {text[:200]} not found")
    return found
