"""Which techniques were used: recording, changing and removing (hive-v1 §5.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import record
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.parents import Parent, parent_of
from hive.procedures.models import Pattern, Procedure
from hive.tables import number_of, touch
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms


@dataclass(frozen=True, slots=True)
class ProcedureDraft:
    """`tactic` None: the technique's only one."""

    pattern_id: str
    occur_date: int
    tactic: str | None = None
    description: str | None = None


async def find_pattern(session: AsyncSession, reference: str) -> Pattern:
    """The technique of an id (`~4096`) or an ATT&CK id (`T1059.006`). Raises NotFound."""
    found = await session.scalar(select(Pattern).where(or_(Pattern.id == number_of(reference), Pattern.pattern_id == reference)))
    if found is None:
        raise NotFound(f"Pattern {reference[:128]} not found")
    return found


async def patterns_of_case(session: AsyncSession, case_id: int) -> list[Pattern]:
    """The techniques recorded in a case, each once."""
    used = select(Procedure.pattern_id).where(Procedure.case_id == case_id)
    return list(await session.scalars(select(Pattern).where(Pattern.pattern_id.in_(used)).order_by(Pattern.pattern_id)))


async def _tactic(session: AsyncSession, pattern_id: str, wanted: str | None) -> str:
    """The tactic under which a technique is recorded. Raises NotFound, BadRequest."""
    pattern = await find_pattern(session, pattern_id)
    if wanted is None:
        if len(pattern.tactics) != 1:
            raise BadRequest(f"{pattern.pattern_id} belongs to several tactics: {', '.join(pattern.tactics)}")
        return pattern.tactics[0]
    if wanted not in pattern.tactics:
        raise BadRequest(f"{wanted} is not a tactic of {pattern.pattern_id}: {', '.join(pattern.tactics)}")
    return wanted


async def settled(session: AsyncSession, drafts: Sequence[ProcedureDraft]) -> list[ProcedureDraft]:
    """The drafts with their tactics. Raises NotFound, BadRequest."""
    return [replace(one, tactic=await _tactic(session, one.pattern_id, one.tactic)) for one in drafts]


async def recognised(session: AsyncSession, drafts: Sequence[ProcedureDraft]) -> list[ProcedureDraft]:
    """What can be recorded of what a source names: unknown techniques are left out, and a tactic that is none of the
    technique's, or is missing, becomes its first."""
    wanted = {one.pattern_id for one in drafts}
    rows = await session.execute(select(Pattern.pattern_id, Pattern.tactics).where(Pattern.pattern_id.in_(wanted)))
    tactics = {row.pattern_id: row.tactics for row in rows}
    found: list[ProcedureDraft] = []
    for one in drafts:
        of_pattern = tactics.get(one.pattern_id)
        if of_pattern:
            found.append(one if one.tactic in of_pattern else replace(one, tactic=of_pattern[0]))
    return found


async def add_missing(session: AsyncSession, caller: Caller, parent: Parent, drafts: Sequence[ProcedureDraft]) -> bool:
    """Adds the drafts whose technique and tactic the alert does not have yet. True if there was any."""
    rows = await session.execute(select(Procedure.pattern_id, Procedure.tactic).where(Procedure.alert_id == parent.alert_id))
    present = {(row.pattern_id, row.tactic) for row in rows}
    new = [one for one in drafts if (one.pattern_id, one.tactic) not in present]
    return bool(new and await add(session, caller, parent, new, base=False))


async def add(
    session: AsyncSession, caller: Caller, parent: Parent, drafts: Sequence[ProcedureDraft], *, base: bool = True
) -> list[Procedure]:
    """New procedures, in the order given; the same one twice is two. Raises NotFound for an unknown technique."""
    await parent.check(session, caller, Permission.PROCEDURE)
    added: list[Procedure] = []
    for draft in drafts:
        tactic = await _tactic(session, draft.pattern_id, draft.tactic)
        procedure = Procedure(
            org_id=parent.org_id, alert_id=parent.alert_id, case_id=parent.case_id, pattern_id=draft.pattern_id, tactic=tactic,
            description=draft.description, occur_date=draft.occur_date, created_at=now_ms(), created_by=caller.login,
        )  # fmt: skip
        session.add(procedure)
        await session.flush()
        details = {"patternId": draft.pattern_id, "tactic": tactic, "occurDate": draft.occur_date}
        await record(
            session,
            caller,
            action="create",
            kind="procedure",
            object_id=procedure.id,
            root=parent.root,
            details=details,
            base=base,
        )
        await session.refresh(procedure)
        added.append(procedure)
    return added


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Procedure:
    """The procedure of an id. Raises NotFound."""
    statement = select(Procedure).where(Procedure.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update(of=Procedure).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Procedure {reference[:200]} not found")
    return found


def _parent(procedure: Procedure) -> Parent:
    return parent_of(alert_id=procedure.alert_id, case_id=procedure.case_id, org_id=procedure.org_id)


async def change(session: AsyncSession, caller: Caller, procedure: Procedure, columns: Mapping[str, Any]) -> None:
    """Raises NotFound for an unknown technique, BadRequest for a tactic that is not of it."""
    parent = _parent(procedure)
    await parent.check(session, caller, Permission.PROCEDURE)
    wanted = dict(columns)
    if "pattern_id" in wanted or "tactic" in wanted:
        pattern_id = wanted.get("pattern_id", procedure.pattern_id)
        kept = procedure.tactic if pattern_id == procedure.pattern_id else None
        wanted["tactic"] = await _tactic(session, pattern_id, wanted.get("tactic", kept))
    changed = {name: value for name, value in wanted.items() if getattr(procedure, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(procedure, name, value)
    touch(procedure, caller.login)
    await session.flush()
    await record(session, caller, action="update", kind="procedure", object_id=procedure.id, root=parent.root, details=changed)
    await session.refresh(procedure)


async def remove(session: AsyncSession, caller: Caller, procedure: Procedure) -> None:
    parent = _parent(procedure)
    await parent.check(session, caller, Permission.PROCEDURE)
    gone = {"patternId": procedure.pattern_id, "tactic": procedure.tactic, "occurDate": procedure.occur_date}
    await session.delete(procedure)
    await session.flush()
    await record(
        session, caller, action="delete", kind="procedure", object_id=procedure.id, root=parent.root, details={}, gone=gone
    )
