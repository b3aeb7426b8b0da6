"""What a source tells about an alert it raised before: the same alert changes, within what `follow` allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts import service
from hive.alerts.intake import AlertDraft
from hive.alerts.models import Alert
from hive.audit.service import Root, record_observables
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft
from hive.observables.models import Observable
from hive.observables.service import Parent
from hive.parents import parent_of
from hive.procedures import service as procedures

FED = ("title", "description", "severity", "date", "tlp", "pap", "external_link", "last_sync_date")
MATERIAL = frozenset({"title", "severity", "tlp", "observables"})
OBSERVABLE_FED = ("message", "tlp", "ioc", "first_seen", "origin")


@dataclass(frozen=True, slots=True)
class Feed:
    """An alert as its source has it now. `complete`: these are all its observables; else `removed` names what went."""

    draft: AlertDraft
    removed: frozenset[UUID] = field(default_factory=frozenset)
    complete: bool = True


async def refresh(session: AsyncSession, caller: Caller, alert: Alert, feed: Feed, catalogue: Catalogue) -> bool:
    """Applies a later publish to an alert locked by this transaction; False where it is old news or the alert is not followed."""
    draft = feed.draft
    told = draft.last_sync_date or 0
    if not alert.follow or (alert.last_sync_date is not None and told <= alert.last_sync_date):
        return False
    columns: dict[str, Any] = {name: getattr(draft, name) for name in FED}
    changed = [name for name, value in columns.items() if getattr(alert, name) != value]
    for name in changed:
        setattr(alert, name, columns[name])
    missing = [tag for tag in draft.tags if tag not in alert.tags]
    if missing:
        alert.tags = [*alert.tags, *missing]
        changed.append("tags")
    await session.flush()
    if await _feed_observables(session, caller, alert, feed, catalogue):
        changed.append("observables")
        await session.refresh(alert, ["observable_count", "version", "updated_at", "updated_by"])
    await procedures.add_missing(
        session, caller, parent_of(alert_id=alert.id, case_id=None, org_id=alert.org_id), draft.procedures
    )
    if MATERIAL & set(changed):
        changed += _mark_changed(alert, caller, catalogue)
    await service.settle(session, caller, alert, [name for name in changed if name != "observables"] or ["last_sync_date"])
    return True


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


def _attribute(origin: dict[str, Any] | None) -> str | None:
    """The source's own id of an observable."""
    value = (origin or {}).get("attribute")
    return str(value) if value else None


async def _feed_observables(session: AsyncSession, caller: Caller, alert: Alert, feed: Feed, catalogue: Catalogue) -> bool:
    stored = {
        (one.data_type, one.value_key): one
        for one in await session.scalars(select(Observable).where(Observable.alert_id == alert.id))
    }
    told = {(draft.data_type, draft.key): draft for draft in feed.draft.observables}
    changed = False
    for identity, draft in told.items():
        known = stored.get((identity[0], identity[1])) if identity[1] is not None else None
        if known is not None:
            changed |= await _feed_one(session, caller, known, draft, catalogue)
    new = [draft for identity, draft in told.items() if identity not in stored]
    if new:
        await observables.create(session, caller, Parent("alert", alert.id, alert.org_id), new)
    gone = [
        one for identity, one in stored.items()
        if one.origin is not None and identity not in told
        and (feed.complete or _attribute(one.origin) in {str(uuid) for uuid in feed.removed})
    ]  # fmt: skip
    await _remove(session, caller, alert, gone)
    return changed or bool(new) or bool(gone)


async def _feed_one(
    session: AsyncSession, caller: Caller, known: Observable, draft: ObservableDraft, catalogue: Catalogue
) -> bool:
    columns = {name: getattr(draft, name) for name in OBSERVABLE_FED}
    before = known.version
    await observables.change(session, caller, known, columns, catalogue, add_tags=draft.tags)
    return known.version != before


async def _remove(session: AsyncSession, caller: Caller, alert: Alert, gone: Sequence[Observable]) -> None:
    """Only what the source itself brought goes; what an analyst added stays."""
    if not gone:
        return
    ids = [one.id for one in gone]
    await record_observables(session, caller, action="delete", ids=ids, root=Root("alert", alert.id))
    await session.execute(delete(Observable).where(Observable.id.in_(ids)))
    await session.execute(update(Alert).where(Alert.id == alert.id).values(observable_count=Alert.observable_count - len(ids)))
