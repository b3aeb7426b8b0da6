"""Links of a case: to other cases, seen from both ends, and to pages elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.models import Case
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.tables import text_id
from waggle.errors import BadRequest

TYPES = text(
    "SELECT type FROM case_links UNION SELECT type FROM case_urls ORDER BY type"  # each as far as its cases are visible
)
# A link shows only where the other end is visible, too.
OF_CASES = text("""
SELECT l.case_id, l.type, o.id, o.number, o.title, o.status FROM (
  SELECT a_id AS case_id, b_id AS other_id, type FROM case_links WHERE a_id = ANY(:ids)
  UNION ALL SELECT b_id, a_id, type FROM case_links WHERE b_id = ANY(:ids)) l
JOIN cases o ON o.id = l.other_id ORDER BY l.case_id, l.type, o.id""")
URLS_OF_CASES = text("SELECT case_id, type, url FROM case_urls WHERE case_id = ANY(:ids) ORDER BY case_id, type, url")


async def types_in_use(session: AsyncSession) -> list[str]:
    """The distinct types of links that the organisation uses."""
    return list(await session.scalars(TYPES))


async def of_cases(session: AsyncSession, case_ids: Iterable[int]) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """The links of several cases, both lists present for each."""
    ids = list(case_ids)
    found: dict[int, dict[str, list[dict[str, Any]]]] = {one: {"caseLinks": [], "externalLinks": []} for one in ids}
    for row in await session.execute(OF_CASES, {"ids": ids}):
        shown = {"type": row.type, "caseId": text_id(row.id), "number": row.number, "title": row.title, "status": row.status}
        found[row.case_id]["caseLinks"].append(shown)
    for row in await session.execute(URLS_OF_CASES, {"ids": ids}):
        found[row.case_id]["externalLinks"].append({"type": row.type, "url": row.url})
    return found


async def link_case(session: AsyncSession, caller: Caller, case: Case, other: Case, *, type: str, add: bool) -> None:
    """Adds or removes the pair (type, case); adding twice has no further effect. Raises BadRequest for a link to itself."""
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
    if case.id == other.id:
        raise BadRequest("a case is not linked with itself")
    pair = {"a": min(case.id, other.id), "b": max(case.id, other.id), "type": type}
    if add:
        statement = "INSERT INTO case_links (a_id, b_id, type) VALUES (:a, :b, :type) ON CONFLICT DO NOTHING"
    else:
        statement = "DELETE FROM case_links WHERE a_id = :a AND b_id = :b AND type = :type"
    await session.execute(text(statement), pair)
    await _record(session, caller, case, {"type": type, "caseId": text_id(other.id)}, add=add)


async def link_url(session: AsyncSession, caller: Caller, case: Case, *, type: str, url: str, add: bool) -> None:
    """Adds or removes the pair (type, url)."""
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
    if add:
        statement = "INSERT INTO case_urls (case_id, type, url) VALUES (:case, :type, :url) ON CONFLICT DO NOTHING"
    else:
        statement = "DELETE FROM case_urls WHERE case_id = :case AND type = :type AND url = :url"
    await session.execute(text(statement), {"case": case.id, "type": type, "url": url})
    await _record(session, caller, case, {"type": type, "url": url}, add=add)


async def _record(session: AsyncSession, caller: Caller, case: Case, link: dict[str, str], *, add: bool) -> None:
    details = {"linkAdded" if add else "linkRemoved": link}
    root = Root("case", case.id)
    await record(session, caller, action="update", kind="case", object_id=case.id, root=root, details=details)
