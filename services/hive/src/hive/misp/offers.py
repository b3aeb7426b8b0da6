"""What a source changed in an event whose alert is a case by now: offered there, and taken over only when an analyst says so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.feeding import REMOVED, Refreshed
from hive.alerts.models import Alert
from hive.attachments.files import StoredFile
from hive.attachments.models import Blob
from hive.audit.service import Root, record
from hive.cases.models import Case
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft, row
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.tables import number_of, text_id
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms

Kind = Literal["add", "change", "remove"]
Decision = Literal["accepted", "refused"]
UPDATE_TAG = "misp:update"
"""Tag of what came into a case by an accepted offer."""

OFFER = text(
    "INSERT INTO offers AS o (org_id, case_id, alert_id, source, kind, data_type, value_key, shown, proposal, proposal_hash,"
    " created_at, created_by) VALUES (:org, :case, :alert, :source, :kind, :data_type, :key, :shown, CAST(:proposal AS jsonb),"
    " :hash, :now, :login) ON CONFLICT (case_id, kind, data_type, value_key, proposal_hash) DO UPDATE"
    " SET state = 'open', updated_at = :now, updated_by = :login, version = o.version + 1 WHERE o.state = 'withdrawn'"
    " RETURNING id"
)
WITHDRAW = text(
    "UPDATE offers SET state = 'withdrawn', updated_at = :now, updated_by = :login, version = version + 1"
    " WHERE case_id = :case AND kind = :kind AND data_type = :data_type AND value_key = :key AND state = 'open'"
)
SUPERSEDE = text(
    "UPDATE offers SET state = 'withdrawn', updated_at = :now, updated_by = :login, version = version + 1"
    " WHERE case_id = :case AND kind = 'change' AND data_type = :data_type AND value_key = :key AND state = 'open'"
    " AND proposal_hash <> :hash"
)
LIST = text(
    "SELECT * FROM offers WHERE case_id = :case AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY id LIMIT :limit"
    " OFFSET :offset"
)
ONE = text("SELECT * FROM offers WHERE id = :id AND case_id = :case FOR UPDATE")
DECIDE = text(
    "UPDATE offers SET state = :state, decided_by = :login, decided_at = :now, updated_at = :now, updated_by = :login,"
    " version = version + 1 WHERE id = :id"
)


@dataclass(frozen=True, slots=True)
class _Offer:
    kind: Kind
    data_type: str
    key: UUID
    shown: str
    proposal: dict[str, Any]


async def offer(session: AsyncSession, caller: Caller, case: Case, *, source: str, alert: Alert | None, news: Refreshed) -> int:
    """Writes what a publication changed as offers on the case; how many are new. The case itself is not touched."""
    there = {
        (one.data_type, one.value_key): one
        for one in await session.scalars(select(Observable).where(Observable.case_id == case.id))
    }
    found = [*_added(news.new, there), *_changed(news.changed, there), *_removed(news.gone, there)]
    for gone in news.gone:
        await _withdraw(session, caller, case, "add", gone.data_type, gone.value_key)
    for back in news.back:
        await _withdraw(session, caller, case, "remove", back.data_type, back.value_key)
    count = 0
    for one in found:
        count += await _write(session, caller, case, one, source=source, alert=alert)
    if count:
        details = {"offers": count, "source": source}
        await record(
            session, caller, action="update", kind="case", object_id=case.id, root=Root("case", case.id), details=details
        )
    return count


def _added(drafts: Sequence[ObservableDraft], there: Mapping[tuple[str, UUID], Observable]) -> Iterable[_Offer]:
    for draft in drafts:
        if draft.key is not None and (draft.data_type, draft.key) not in there:
            shown = draft.data if draft.file is None else draft.file.name
            yield _Offer("add", draft.data_type, draft.key, shown or "", row(draft))


def _changed(
    changed: Sequence[tuple[Observable, dict[str, Any], UUID]], there: Mapping[tuple[str, UUID], Observable]
) -> Iterable[_Offer]:
    """`changed` names the value as it was before, under which the case still has it."""
    for one, fields, before in changed:
        mine = there.get((one.data_type, before))
        if mine is None:
            continue
        wanted = {name: value for name, value in fields.items() if getattr(mine, name) != value}
        if wanted:
            yield _Offer("change", mine.data_type, mine.value_key, mine.data or mine.file_name or "", wanted)


def _removed(gone: Sequence[Observable], there: Mapping[tuple[str, UUID], Observable]) -> Iterable[_Offer]:
    for one in gone:
        mine = there.get((one.data_type, one.value_key))
        if mine is not None and REMOVED not in mine.tags:
            yield _Offer("remove", mine.data_type, mine.value_key, mine.data or mine.file_name or "", {})


async def _write(session: AsyncSession, caller: Caller, case: Case, one: _Offer, *, source: str, alert: Alert | None) -> int:
    text_ = orjson.dumps(one.proposal, option=orjson.OPT_SORT_KEYS, default=str)
    named = {name: value for name, value in one.proposal.items() if name not in ("origin", "sighted_at")}
    digest = hashlib.sha256(orjson.dumps(named, option=orjson.OPT_SORT_KEYS, default=str)).digest()
    if one.kind == "add":
        digest = hashlib.sha256(b"add").digest()  # one offer per value, however its comment changes meanwhile
    values = {
        "org": case.org_id, "case": case.id, "alert": alert.id if alert else None, "source": source, "kind": one.kind,
        "data_type": one.data_type, "key": one.key, "shown": one.shown, "proposal": text_.decode(), "hash": digest,
        "now": now_ms(), "login": caller.login,
    }  # fmt: skip
    if one.kind == "change":
        await session.execute(SUPERSEDE, values)
    return len((await session.execute(OFFER, values)).all())


async def _withdraw(session: AsyncSession, caller: Caller, case: Case, kind: Kind, data_type: str, key: Any) -> None:
    values = {"case": case.id, "kind": kind, "data_type": data_type, "key": key, "now": now_ms(), "login": caller.login}
    await session.execute(WITHDRAW, values)


async def offers_of(session: AsyncSession, case: Case, *, state: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
    """Oldest first."""
    values = {"case": case.id, "state": state, "limit": limit, "offset": offset}
    return [offer_out(one) for one in await session.execute(LIST, values)]


async def decide(
    session: AsyncSession, caller: Caller, case: Case, reference: str, decision: Decision, catalogue: Catalogue
) -> dict[str, Any]:
    """Takes an offer over into the case, or refuses it for good. Raises NotFound, BadRequest for one that is not open."""
    found = (await session.execute(ONE, {"id": number_of(reference), "case": case.id})).one_or_none()
    if found is None:
        raise NotFound(f"Offer {reference[:64]} not found")
    if found.state != "open":
        raise BadRequest(f"the offer is {found.state} already")
    if decision == "accepted":
        await _take_over(session, caller, case, found, catalogue)
    await session.execute(DECIDE, {"id": found.id, "state": decision, "login": caller.login, "now": now_ms()})
    details = {"offer": {"kind": found.kind, "dataType": found.data_type, "data": found.shown, "state": decision}}
    await record(session, caller, action="update", kind="case", object_id=case.id, root=Root("case", case.id), details=details)
    return offer_out((await session.execute(ONE, {"id": found.id, "case": case.id})).one())


async def _take_over(session: AsyncSession, caller: Caller, case: Case, found: Any, catalogue: Catalogue) -> None:
    if found.kind == "add":
        draft = await _draft(session, found)
        await observables.create(session, caller, Parent("case", case.id, case.org_id), [draft])
        return
    mine = await session.scalar(
        select(Observable)
        .where(
            Observable.case_id == case.id, Observable.data_type == found.data_type, Observable.value_key == found.value_key
        )
        .with_for_update(of=Observable)
    )  # fmt: skip
    if mine is None:
        raise BadRequest("the case no longer has this observable")
    if found.kind == "change":
        await observables.change(session, caller, mine, found.proposal, catalogue, add_tags=[UPDATE_TAG])
    else:
        await observables.change(session, caller, mine, {"ioc": False}, catalogue, add_tags=[REMOVED])


async def _draft(session: AsyncSession, found: Any) -> ObservableDraft:
    """The observable of an offer, as it was told."""
    given = found.proposal
    file = None
    if given["sha256"] is not None:
        digest = bytes.fromhex(given["sha256"])
        blob = await session.scalar(select(Blob).where(Blob.sha256 == digest))
        if blob is None:
            raise BadRequest("the file is no longer stored; have the event read again")
        file = StoredFile(given["file_name"], given["content_type"], blob.size, digest, blob.sha1, blob.md5)
    return ObservableDraft(
        data_type=given["data_type"], data=given["data"], file=file, tlp=given["tlp"], pap=given["pap"], ioc=given["ioc"],
        sighted=given["sighted"], sighted_at=given["sighted_at"], tags=[*given["tags"], UPDATE_TAG], message=given["message"],
        first_seen=given["first_seen"], origin=given["origin"], key=found.value_key,
    )  # fmt: skip


def offer_out(one: Any) -> dict[str, Any]:
    given = one.proposal
    names = ("tlp", "ioc", "sighted", "tags", "message", "first_seen") if one.kind == "add" else tuple(given)
    shown = {name: given[name] for name in names if name in ("tlp", "ioc", "sighted", "tags", "message", "first_seen", "data")}
    return {
        "_id": text_id(one.id), "_createdAt": one.created_at, "caseId": text_id(one.case_id),
        "alertId": text_id(one.alert_id) if one.alert_id else None, "source": one.source, "kind": one.kind,
        "dataType": one.data_type, "data": one.shown, "changes": shown, "state": one.state, "decidedBy": one.decided_by,
        "decidedAt": one.decided_at,
    }  # fmt: skip
