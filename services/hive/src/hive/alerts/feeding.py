"""What a source tells about an alert it raised before: the same alert changes, within what `follow` allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts import service
from hive.alerts.intake import AlertDraft
from hive.alerts.models import Alert
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.parents import parent_of
from hive.procedures import service as procedures

FED = ("title", "description", "severity", "date", "tlp", "pap", "external_link")
MATERIAL = frozenset({"title", "severity", "tlp", "observables"})
OBSERVABLE_FED = ("message", "tlp", "ioc")
REMOVED = "misp:removed"
"""Tag of an observable that its source no longer has: shown so, and never deleted by itself."""


@dataclass(frozen=True, slots=True)
class Feed:
    """An alert as its source has it now. `complete`: these are all its observables; else `removed` names what went."""

    draft: AlertDraft
    removed: frozenset[UUID] = field(default_factory=frozenset)
    complete: bool = True


@dataclass(slots=True)
class Refreshed:
    """What a publication changed in the alert's observables. `changed`: with the new fields, and the key the value had before."""

    new: list[ObservableDraft] = field(default_factory=list)
    changed: list[tuple[Observable, dict[str, Any], UUID]] = field(default_factory=list)
    gone: list[Observable] = field(default_factory=list)
    back: list[Observable] = field(default_factory=list)
    """Gone before, and there again."""

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone or self.back)


async def remember(session: AsyncSession, alert: Alert, draft: AlertDraft) -> None:
    """What the source told, so that what analysts edit is known from then on."""
    alert.fed = {**{name: getattr(draft, name) for name in FED}, "tags": draft.tags}
    await session.flush()


async def refresh(session: AsyncSession, caller: Caller, alert: Alert, feed: Feed, catalogue: Catalogue) -> Refreshed | None:
    """Applies a later publish to an alert locked by this transaction; None where it is old news or the alert is not followed."""
    draft = feed.draft
    told = draft.last_sync_date or 0
    if not alert.follow or (alert.last_sync_date is not None and told < alert.last_sync_date):
        return None
    again = told == alert.last_sync_date  # the same publication, read anew with other settings
    changed = _feed_fields(alert, draft)
    alert.last_sync_date = draft.last_sync_date
    await remember(session, alert, draft)
    news = await _feed_observables(session, caller, alert, feed, catalogue)
    if news:
        changed.append("observables")
        await session.refresh(alert, ["observable_count", "version", "updated_at", "updated_by"])
    await procedures.add_missing(
        session, caller, parent_of(alert_id=alert.id, case_id=None, org_id=alert.org_id), draft.procedures
    )
    if MATERIAL & set(changed):
        changed += _mark_changed(alert, caller, catalogue)
    shown = [name for name in changed if name != "observables"]
    if shown or not again:
        await service.settle(session, caller, alert, shown or ["last_sync_date"])
    return news


def _feed_fields(alert: Alert, draft: AlertDraft) -> list[str]:
    """Fields that still say what the source told last take what it tells now; what an analyst edited stays."""
    last = alert.fed or {}
    changed = []
    for name in FED:
        edited = name in last and getattr(alert, name) != last[name]
        if not edited and getattr(alert, name) != getattr(draft, name):
            setattr(alert, name, getattr(draft, name))
            changed.append(name)
    # a tag that was told before and is not there was taken off by an analyst
    missing = [tag for tag in draft.tags if tag not in alert.tags and tag not in last.get("tags", ())]
    if missing:
        alert.tags = [*alert.tags, *missing]
        changed.append("tags")
    return changed


def _mark_changed(alert: Alert, caller: Caller, catalogue: Catalogue) -> list[str]:
    """A material change: without a case the alert is Updated, closed ones too; with one it is unread again."""
    if alert.case_id is None:
        if alert.status == "Updated" or alert.stage == "InProgress":
            return []
        service.set_status(alert, caller, "Updated", catalogue)
        return ["status", "read"]
    if not alert.read:
        return []
    alert.read = False
    return ["read"]


def attributes_of(origin: dict[str, Any] | None) -> frozenset[str]:
    """The source's own ids of an observable."""
    given = origin or {}
    return frozenset(str(one) for one in (given.get("attribute"), *(given.get("attributes") or ())) if one)


async def _feed_observables(session: AsyncSession, caller: Caller, alert: Alert, feed: Feed, catalogue: Catalogue) -> Refreshed:
    stored = {
        (one.data_type, one.value_key): one
        for one in await session.scalars(select(Observable).where(Observable.alert_id == alert.id))
    }
    told = {(draft.data_type, draft.key): draft for draft in feed.draft.observables if draft.key is not None}
    news = Refreshed()
    edited = _edited(stored, told, feed)
    for identity, draft in told.items():
        known = stored.get(identity) or edited.get(identity)
        if known is not None:
            before = known.value_key
            if REMOVED in known.tags:
                news.back.append(known)
            fields = await _feed_one(session, caller, known, draft, catalogue)
            if fields:
                news.changed.append((known, fields, before))
    news.new = [draft for identity, draft in told.items() if identity not in stored and identity not in edited]
    if news.new:
        await observables.create(session, caller, Parent("alert", alert.id, alert.org_id), news.new)
    for identity, one in stored.items():
        if identity not in told and one not in edited.values() and _is_gone(one, feed):
            await observables.change(session, caller, one, {}, catalogue, add_tags=[REMOVED])
            news.gone.append(one)
    return news


def _is_gone(one: Observable, feed: Feed) -> bool:
    """Only what the source itself brought can go there; what an analyst added is not the source's business."""
    if one.origin is None or REMOVED in one.tags:
        return False
    return feed.complete or bool(attributes_of(one.origin) & {str(uuid) for uuid in feed.removed})


def _edited(
    stored: Mapping[tuple[str, UUID], Observable], told: Mapping[tuple[str, UUID], ObservableDraft], feed: Feed
) -> dict[tuple[str, UUID], Observable]:
    """Observables whose attribute has another value now, by their new identity: the attribute's id is the same."""
    left = {
        attribute: one
        for identity, one in stored.items()
        if identity not in told and one.sha256 is None and feed.complete
        for attribute in attributes_of(one.origin)
    }
    found: dict[tuple[str, UUID], Observable] = {}
    for identity, draft in told.items():
        if identity in stored or draft.file is not None:
            continue
        one = next((left[name] for name in sorted(attributes_of(draft.origin)) if name in left), None)
        if one is not None and one.data_type == draft.data_type and one not in found.values():
            found[identity] = one
    return found


async def _feed_one(
    session: AsyncSession, caller: Caller, known: Observable, draft: ObservableDraft, catalogue: Catalogue
) -> dict[str, Any]:
    """The fields that changed. What an analyst edited stays."""
    last = (known.origin or {}).get("told") or {}
    columns = {
        name: getattr(draft, name)
        for name in OBSERVABLE_FED
        if getattr(known, name) != getattr(draft, name) and not (name in last and getattr(known, name) != last[name])
    }
    if known.data != draft.data and known.value_key != draft.key:
        was = f"was: {known.data}"
        message = columns.get("message", known.message)
        columns |= {"data": draft.data, "value_key": draft.key, "message": f"{message}\n{was}" if message else was}
    if draft.sighted and not known.sighted:
        columns["sighted"] = True
    tags = [tag for tag in draft.tags if tag not in known.tags and tag not in last.get("tags", ())]
    back = [REMOVED] if REMOVED in known.tags else []
    machinery = {"first_seen": draft.first_seen, "origin": draft.origin}
    await observables.change(session, caller, known, {**columns, **machinery}, catalogue, add_tags=tags, remove_tags=back)
    columns.pop("value_key", None)
    return columns
