"""Merging cases: a new case gets all that hung on the old ones, which leave shells behind (hive-v1 §5.4, domain model §5)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.cases.models import Case, CaseReader
from hive.cases.service import CaseDraft, create, news
from hive.catalogue import Catalogue
from hive.customfields.values import FieldValue
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.markings import unique
from hive.tables import text_id, touch
from waggle.contracts.messages.cases import CaseMerged
from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS
from waggle.errors import BadRequest, Forbidden
from waggle.ids import now_ms

MAX_MERGED = 50
MOVED = ("tasks", "logs", "comments", "pages", "procedures", "custom_events", "attachments", "jobs", "actions")
# Equal values become one: tags united, marks of either, the stricter markings; jobs go over to the one that stays.
TWINS = """FROM observables gone WHERE gone.case_id = :old AND kept.case_id = :new
  AND gone.value_key = kept.value_key AND gone.data_type = kept.data_type"""
STRICTER = (
    "(CAST(:scale AS text[]))[greatest(array_position(CAST(:scale AS text[]), kept.scale),"
    " array_position(CAST(:scale AS text[]), gone.scale))]"
)
UNITE = text(f"""
UPDATE observables kept SET
  tags = kept.tags || ARRAY(SELECT t FROM unnest(gone.tags) t WHERE t <> ALL (kept.tags)),
  ioc = kept.ioc OR gone.ioc, sighted = kept.sighted OR gone.sighted,
  sighted_at = least(kept.sighted_at, gone.sighted_at),
  ignore_similarity = kept.ignore_similarity AND gone.ignore_similarity,
  tlp = {STRICTER.replace("scale", "tlp")}, pap = {STRICTER.replace("scale", "pap")},
  message = coalesce(kept.message, gone.message), reports = gone.reports || kept.reports,
  updated_at = :now, updated_by = :login, version = kept.version + 1
{TWINS} RETURNING kept.id""")
HAND_OVER = (
    text(f"UPDATE jobs SET observable_id = kept.id FROM observables kept, observables gone WHERE jobs.observable_id = gone.id"
         f" AND {TWINS.partition('WHERE ')[2]}"),
    text(f"UPDATE actions SET observable_id = kept.id, object_id = kept.id FROM observables kept, observables gone"
         f" WHERE actions.observable_id = gone.id AND {TWINS.partition('WHERE ')[2]}"),
    text("UPDATE actions SET object_id = :new WHERE object_kind = 'case' AND case_id = :old"),
    text(f"UPDATE verdicts SET observable_id = kept.id FROM observables kept, observables gone"
         f" WHERE verdicts.observable_id = gone.id AND {TWINS.partition('WHERE ')[2]}"),
    text(f"DELETE FROM observables gone USING observables kept WHERE {TWINS.partition('WHERE ')[2]}"),
)  # fmt: skip
LINKS = (
    text("INSERT INTO case_links (a_id, b_id, type) SELECT least(:new, o.id), greatest(:new, o.id), o.type FROM"
         " (SELECT CASE WHEN a_id = :old THEN b_id ELSE a_id END AS id, type FROM case_links WHERE :old IN (a_id, b_id)) o"
         " WHERE o.id <> :new AND o.id <> ALL (CAST(:merged AS bigint[])) ON CONFLICT DO NOTHING"),
    text("INSERT INTO case_urls SELECT :new, type, url FROM case_urls WHERE case_id = :old ON CONFLICT DO NOTHING"),
)  # fmt: skip
# What would let lists and searches find the shell.
HIDE = (
    text("DELETE FROM case_links WHERE :old IN (a_id, b_id)"),
    text("DELETE FROM case_texts WHERE case_id = :old"),
    text("DELETE FROM case_tags WHERE case_id = :old"),
    text("DELETE FROM case_fields WHERE case_id = :old"),
)


async def merge(session: AsyncSession, caller: Caller, cases: Sequence[Case], catalogue: Catalogue) -> Case:
    """The merged case. `cases` are locked by this transaction, in the order they were named.

    Raises BadRequest for fewer than two or too many, Forbidden for cases of another organisation.
    """
    if not 2 <= len({case.id for case in cases}) == len(cases) <= MAX_MERGED:
        raise BadRequest(f"between two and {MAX_MERGED} different cases are merged")
    if any(case.org_id != caller.org_id for case in cases):
        raise Forbidden("only cases of your own organisation are merged")
    caller.check(Permission.CASE_MERGE)
    merged = await create(session, caller, _draft(caller, cases, catalogue), catalogue)
    for case in cases:
        await _move(session, caller, case, merged, [one.id for one in cases])
    _copy_dates(cases, merged)
    await _restrict(session, caller, cases, merged)
    await session.flush()
    for case in cases:
        await _leave_shell(session, caller, case, merged)
    details = {"mergeFrom": [text_id(case.id) for case in cases]}
    root = Root("case", merged.id)
    await record(session, caller, action="merge", kind="case", object_id=merged.id, root=root, details=details, base=False)
    await session.refresh(merged)
    return merged


def _draft(caller: Caller, cases: Sequence[Case], catalogue: Catalogue) -> CaseDraft:
    values: dict[tuple[str, str], FieldValue] = {}
    for case in cases:
        for one in case.custom_fields:
            definition = catalogue.fields.get(one["name"])
            if definition is not None:
                values.setdefault((one["name"], repr(one["value"])), FieldValue(definition, one["value"], len(values)))
    summaries = [case.summary for case in cases if case.summary]
    return CaseDraft(
        title=" / ".join(case.title for case in cases)[:512],
        description="\n\n".join(case.description for case in cases),
        severity=max(case.severity for case in cases),
        tlp=max((case.tlp for case in cases), key=[str(one) for one in TLP_LEVELS].index),
        pap=max((case.pap for case in cases), key=[str(one) for one in PAP_LEVELS].index),
        start_date=min(case.start_date for case in cases),
        tags=unique([tag for case in cases for tag in case.tags]),
        flag=any(case.flag for case in cases),
        summary="\n\n".join(summaries) or None,
        assignee_id=caller.user_id or None,
        fields=list(values.values()),
    )


async def _move(session: AsyncSession, caller: Caller, case: Case, merged: Case, ids: list[int]) -> None:
    """Everything that hangs on the case goes over. Children keep their ids."""
    pair = {"old": case.id, "new": merged.id}
    marks = {"tlp": list(TLP_LEVELS), "pap": list(PAP_LEVELS), "now": now_ms(), "login": caller.login}
    united = [row.id for row in await session.execute(UNITE, {**pair, **marks})]
    for statement in HAND_OVER:
        await session.execute(statement, pair)
    await session.execute(text("UPDATE observables SET case_id = :new WHERE case_id = :old"), pair)
    for table in MOVED:
        await session.execute(text(f"UPDATE {table} SET case_id = :new WHERE case_id = :old"), pair)
    await session.execute(text("UPDATE case_texts SET case_id = :new WHERE case_id = :old AND entity_id <> :old"), pair)
    await session.execute(LINKS[0], {**pair, "merged": ids})
    await session.execute(LINKS[1], pair)
    await session.execute(text("SELECT follow_merge(:old, :new, :now, :login)"), {**pair, "now": now_ms(), "login": caller.login})
    await session.execute(text("SELECT index_observables(CAST(:ids AS bigint[]))"), {"ids": united})


def _copy_dates(cases: Sequence[Case], merged: Case) -> None:
    """Key figures count from the first alert that any of the cases came from."""
    first = min((case for case in cases if case.alert_date is not None), key=lambda case: case.alert_date or 0, default=None)
    if first is not None:
        for name in ("alert_date", "alert_new_date", "alert_in_progress_date", "alert_imported_date"):
            setattr(merged, name, getattr(first, name))


async def _restrict(session: AsyncSession, caller: Caller, cases: Sequence[Case], merged: Case) -> None:
    """Who sees the merged case saw each of the restricted ones; the caller did."""
    restricted = [case for case in cases if case.access != "organisation"]
    if not restricted:
        return
    readers: set[int] = {caller.user_id} if caller.user_id else set()
    common = [set(await session.scalars(select(CaseReader.user_id).where(CaseReader.case_id == case.id))) for case in restricted]
    for user_id in readers | set.intersection(*common):
        await session.merge(CaseReader(case_id=merged.id, user_id=user_id))
    await session.flush()
    merged.access = "users"


async def _leave_shell(session: AsyncSession, caller: Caller, case: Case, merged: Case) -> None:
    for statement in HIDE:
        await session.execute(statement, {"old": case.id})
    now = now_ms()
    case.merged_into, case.status, case.stage = merged.id, "Duplicated", "Closed"
    case.closed_date, case.end_date = case.closed_date or now, case.end_date or now
    touch(case, caller.login)
    await session.flush()
    root = Root("case", merged.id)
    details = {"mergeInto": text_id(merged.id)}
    await record(session, caller, action="merge", kind="case", object_id=case.id, root=root, details=details)
    message = news(CaseMerged, case, ()).model_copy(update={"merged_into": text_id(merged.id)})
    await tell(session, caller, message, key=f"case:{text_id(case.id)}")
