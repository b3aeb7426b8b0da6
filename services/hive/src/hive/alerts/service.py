"""What may happen to an alert after it was raised: changes by analysts, reading, following."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.audit.service import Root, record
from hive.catalogue import Catalogue
from hive.customfields.service import Mode, write_fields
from hive.customfields.values import FieldValue
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.identity.people import assignable
from hive.identity.permissions import Permission
from hive.markings import unique
from hive.tables import text_id, touch
from waggle.contracts.messages.alerts import AlertChange, AlertUpdated
from waggle.errors import BadRequest, CreateError
from waggle.ids import now_ms

# Fields that stand in the search row, or whose copies stand in the tag rows.
SEARCHED = frozenset({"title", "description", "source", "type", "source_ref", "tags"})
M = TypeVar("M", bound=AlertChange)
IDENTITY = ("type", "source", "source_ref")


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """`columns`: plain columns by name, already checked. The rest needs looking up or merging."""

    columns: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    assignee: str | None = None
    clear_assignee: bool = False
    add_tags: list[str] = field(default_factory=list)
    remove_tags: list[str] = field(default_factory=list)
    fields: list[FieldValue] | None = None
    fields_mode: Mode = "append"


def duplicate(kind: str, source: str, source_ref: str, organisation: str) -> CreateError:
    return CreateError(f"Alert {kind}:{source}:{source_ref} already exist in organisation {organisation}")


async def update(session: AsyncSession, caller: Caller, alert: Alert, changes: AlertChanges, catalogue: Catalogue) -> list[str]:
    """Applies the changes to an alert that is locked by this transaction; returns the names of what really changed."""
    before = {name: getattr(alert, name) for name in (*changes.columns, "status", "assignee_id", "tags", "custom_fields")}
    for name, value in changes.columns.items():
        setattr(alert, name, value)
    if changes.add_tags or changes.remove_tags:
        alert.tags = [t for t in unique([*alert.tags, *changes.add_tags]) if t not in changes.remove_tags]
    if changes.clear_assignee:
        alert.assignee_id = None
    elif changes.assignee is not None:
        alert.assignee_id = (await assignable(session, org_id=alert.org_id, login=changes.assignee)).id
    if changes.status is not None:
        set_status(alert, caller, changes.status, catalogue)
    if changes.fields is not None:
        alert.custom_fields = await write_fields(
            session, kind="alert", parent_id=alert.id, org_id=alert.org_id, date=alert.date, values=changes.fields,
            mode=changes.fields_mode,
        )  # fmt: skip
    changed = [name for name, old in before.items() if getattr(alert, name) != old]
    if not changed:
        return []
    await _refuse_duplicate(session, caller, alert, changed)
    await settle(session, caller, alert, changed)
    return changed


async def _refuse_duplicate(session: AsyncSession, caller: Caller, alert: Alert, changed: Collection[str]) -> None:
    if not any(name in changed for name in IDENTITY):
        return
    with session.no_autoflush:
        twin = await session.scalar(
            select(
                exists().where(
                    Alert.org_id == alert.org_id, Alert.type == alert.type, Alert.source == alert.source,
                    Alert.source_ref == alert.source_ref, Alert.id != alert.id,
                )
            )
        )  # fmt: skip
    if twin:
        raise duplicate(alert.type, alert.source, alert.source_ref, caller.organisation)


async def settle(session: AsyncSession, caller: Caller, alert: Alert, changed: Collection[str]) -> None:
    """Writes a changed alert with everything that follows from it: side rows, history, message."""
    touch(alert, caller.login)
    await session.flush()
    if "tags" in changed or "date" in changed:
        await write_tags(session, alert)
    if "date" in changed:
        await session.execute(
            text("UPDATE alert_fields SET date = :date WHERE alert_id = :id"), {"date": alert.date, "id": alert.id}
        )
    if SEARCHED & set(changed):
        await session.execute(
            text(
                "UPDATE alert_texts SET title = CAST(:title AS text), document = alert_document(CAST(:title AS text),"
                " :description, :source, :type, :source_ref, CAST(:tags AS text[])) WHERE entity_id = :id"
            ),
            {
                "id": alert.id, "title": alert.title, "description": alert.description, "source": alert.source,
                "type": alert.type, "source_ref": alert.source_ref, "tags": alert.tags,
            },
        )  # fmt: skip
    details = {_shown(name): getattr(alert, name) for name in changed}
    await record(
        session, caller, action="update", kind="alert", object_id=alert.id, root=Root("alert", alert.id), details=details
    )
    await tell(session, caller, news(AlertUpdated, alert, changed), key=f"alert:{text_id(alert.id)}")
    await session.refresh(alert)


def _shown(name: str) -> str:
    head, *rest = name.removesuffix("_id").split("_")
    return head + "".join(part.capitalize() for part in rest)


async def write_tags(session: AsyncSession, alert: Alert) -> None:
    """The dated tag rows of an alert, by which lists with a tag are found."""
    await session.execute(text("DELETE FROM alert_tags WHERE alert_id = :id"), {"id": alert.id})
    await session.execute(
        text(
            "INSERT INTO alert_tags (org_id, tag, date, alert_id)"
            " SELECT :org, tag, :date, :id FROM unnest(CAST(:tags AS text[])) AS tag"
        ),
        {"org": alert.org_id, "date": alert.date, "id": alert.id, "tags": alert.tags},
    )


def set_status(alert: Alert, caller: Caller, status: str, catalogue: Catalogue) -> None:
    """Moves an alert to a status, with the dates of first entry (domain model §5). Raises BadRequest or Forbidden."""
    status = "Duplicate" if status == "Duplicated" else status
    stage = catalogue.stage("alert", status)
    if status == alert.status:
        return
    if alert.case_id is not None:
        raise BadRequest("the alert is imported into a case; its status cannot change")
    if stage == "Imported":
        raise BadRequest("the status Imported is set by importing an alert into a case")
    if (alert.stage, stage) in {("Closed", "New"), ("Closed", "InProgress"), ("InProgress", "New")}:
        caller.check(Permission.ALERT_REOPEN)
    now = now_ms()
    alert.status, alert.stage, alert.read = status, stage, stage == "Closed"
    if stage == "InProgress":
        alert.in_progress_date = alert.in_progress_date or now
    if stage == "Closed":
        alert.closed_date = alert.closed_date or now


async def mark_read(session: AsyncSession, caller: Caller, alert: Alert, *, read: bool, catalogue: Catalogue) -> None:
    """Read or unread: without a case it is Ignored or New; with a case only the mark changes (domain model §1.3)."""
    if alert.read == read:
        return
    if alert.case_id is None:
        set_status(alert, caller, "Ignored" if read else "New", catalogue)
        await settle(session, caller, alert, ["read", "status"])
    else:
        alert.read = read
        await settle(session, caller, alert, ["read"])


async def follow(session: AsyncSession, caller: Caller, alert: Alert, *, follow: bool) -> None:
    """Whether later updates by the feeder may change the alert."""
    if alert.follow != follow:
        alert.follow = follow
        await settle(session, caller, alert, ["follow"])


def news(kind: type[M], alert: Alert, changed: Collection[str]) -> M:
    """How the alert stands, as a message."""
    return kind(
        id=text_id(alert.id), alert_type=alert.type, source=alert.source, source_ref=alert.source_ref, title=alert.title,
        severity=alert.severity, tlp=alert.tlp, status=alert.status, stage=alert.stage,
        case_id=text_id(alert.case_id) if alert.case_id else None, changed=tuple(changed),
    )  # fmt: skip
