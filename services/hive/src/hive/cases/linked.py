"""Cases that share observables with a case: the same type and value (or file content), and neither side says to ignore it."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.cases.models import Case
from hive.observables.models import Observable

LINKED_LIMIT = 500
# All holders of a value are one range of the index (org_id, value_key, parent_id, data_type).
LINKED = text("""
SELECT o.case_id, array_agg(o.id ORDER BY o.id) AS ids FROM observables mine
JOIN observables o ON o.value_key = mine.value_key AND o.data_type = mine.data_type
  AND o.org_id IN (SELECT waggle_org() UNION SELECT c.org_id FROM case_shares s JOIN cases c ON c.id = s.case_id
    WHERE s.org_id = waggle_org() AND NOT s.owner)
WHERE mine.case_id = :case AND NOT mine.ignore_similarity AND NOT o.ignore_similarity
  AND o.case_id IS NOT NULL AND o.case_id <> :case
GROUP BY o.case_id ORDER BY o.case_id DESC LIMIT :limit
""")


async def linked(session: AsyncSession, case: Case) -> list[tuple[Case, list[Observable]]]:
    """Other visible cases that share observables, newest first, each with those of its observables."""
    found = (await session.execute(LINKED, {"case": case.id, "limit": LINKED_LIMIT})).all()
    ids = {row.case_id: list(row.ids) for row in found}
    cases = {one.id: one for one in await session.scalars(select(Case).where(Case.id.in_(ids), Case.merged_into.is_(None)))}
    wanted = [one for case_id in cases for one in ids[case_id]]
    observables = {one.id: one for one in await session.scalars(select(Observable).where(Observable.id.in_(wanted)))}
    return [(cases[case_id], [observables[one] for one in ids[case_id]]) for case_id in ids if case_id in cases]
