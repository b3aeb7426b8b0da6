"""From alert to case: promote, merge, import (hive-v1 §5.2). What is copied lives on apart from the alert."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.alerts.service import news
from hive.attachments.models import Attachment
from hive.audit.service import Root, record
from hive.cases import lookup as cases_lookup
from hive.cases import rights
from hive.cases import service as cases
from hive.cases.models import Case
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.customfields.service import write_fields
from hive.customfields.values import FieldValue, Scalar
from hive.events.outgoing import tell
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.markings import unique
from hive.observables.service import copy_to_case
from hive.tables import text_id, touch
from hive.templates import service as templates
from waggle.contracts.messages.alerts import AlertImported
from waggle.errors import BadRequest
from waggle.ids import now_ms

# Who wrote what, and when, stays as it was on the alert.
COPY_PROCEDURES = text(
    "INSERT INTO procedures (org_id, case_id, pattern_id, tactic, description, occur_date, created_at, created_by)"
    " SELECT :org, :case, pattern_id, tactic, description, occur_date, created_at, created_by FROM procedures"
    " WHERE alert_id = :alert ORDER BY id"
)
COPY_COMMENTS = text(
    "INSERT INTO comments (org_id, case_id, message, external, created_at, created_by, updated_at, updated_by)"
    " SELECT :org, :case, message, external, created_at, created_by, updated_at, updated_by FROM comments"
    " WHERE alert_id = :alert ORDER BY id"
)
INDEX_COMMENTS = text(
    "INSERT INTO case_texts (entity_id, kind, case_id, org_id, title, document)"
    " SELECT c.id, 'comment', c.case_id, c.org_id, '', search_document(c.message) FROM comments c WHERE c.case_id = :case"
    " AND NOT EXISTS (SELECT FROM case_texts x WHERE x.entity_id = c.id)"
)


def case_draft(alert: Alert, catalogue: Catalogue) -> CaseDraft:
    """The case an alert would become if nobody said otherwise."""
    return CaseDraft(
        title=alert.title, description=alert.description, severity=alert.severity, tlp=alert.tlp, pap=alert.pap,
        tags=list(alert.tags), fields=field_values(alert.custom_fields, catalogue),
        from_alert={"_id": text_id(alert.id), "type": alert.type, "source": alert.source, "sourceRef": alert.source_ref},
    )  # fmt: skip


def field_values(stored: list[dict[str, Any]], catalogue: Catalogue) -> list[FieldValue]:
    """Stored copies as values to write elsewhere; a field whose definition is gone is left out."""
    found: list[FieldValue] = []
    for one in stored:
        definition = catalogue.fields.get(one["name"])
        if definition is not None:
            value: Scalar = one["value"]
            found.append(FieldValue(definition, value, one["order"]))
    return found


async def promote(
    session: AsyncSession,
    caller: Caller,
    alert: Alert,
    draft: CaseDraft,
    catalogue: Catalogue,
    *,
    template: str | None,
    given: set[str],
) -> Case:
    """A new case from the alert; an alert that is imported already answers with its case, so that retries are safe.

    `template`: named in the request, then it must exist; else the alert's own is used where it exists.
    """
    if alert.case_id is not None:
        return await cases_lookup.find(session, text_id(alert.case_id))
    found = await templates.find(session, template) if template else None
    if found is None and alert.case_template:
        found = await templates.lookup(session, alert.case_template)
    if found is not None:
        fixed = given | {"description", "severity", "tlp", "pap"}
        draft = templates.applied(draft, found, catalogue, given=fixed, unite_tags="tags" not in given)
    case = await cases.create(session, caller, draft, catalogue)
    now = now_ms()
    case.alert_date, case.alert_new_date = alert.date, alert.new_date
    case.alert_in_progress_date, case.alert_imported_date = alert.in_progress_date or now, now
    await _bring(session, caller, alert, case, now, everything=True)
    await session.flush()
    await session.refresh(case)
    return case


async def merge(session: AsyncSession, caller: Caller, alert: Alert, case: Case, catalogue: Catalogue) -> Case:
    """The case gains the alert's observables, files, tags, fields and, at the end of its text, the alert's description."""
    await _check(session, caller, alert, case)
    before = (case.description, case.tags, case.custom_fields)
    heading = f"Merged with alert #{alert.source_ref} {alert.title}"
    case.description = f"{case.description}\n  \n#### {heading}\n\n{alert.description}"
    case.tags = unique([*case.tags, *alert.tags])
    values = field_values(alert.custom_fields, catalogue)
    if values:
        case.custom_fields = await write_fields(
            session, kind="case", parent_id=case.id, org_id=case.org_id, date=case.start_date, values=values, mode="append"
        )
    after = (case.description, case.tags, case.custom_fields)
    names = ("description", "tags", "custom_fields")
    changed = [name for name, old, new in zip(names, before, after, strict=True) if old != new]
    await _bring(session, caller, alert, case, now_ms(), everything=True)
    await cases.settle(session, caller, case, changed, fromAlert=case_draft(alert, catalogue).from_alert)
    return case


async def bring_observables(session: AsyncSession, caller: Caller, alert: Alert, case: Case) -> Case:
    """Import: the alert is linked and its observables copied, nothing else of the case changes."""
    await _check(session, caller, alert, case)
    await _bring(session, caller, alert, case, now_ms(), everything=False)
    await session.refresh(case)
    return case


async def _check(session: AsyncSession, caller: Caller, alert: Alert, case: Case) -> None:
    await rights.check(session, caller, case_id=case.id, org_id=case.org_id, permission=Permission.CASE_UPDATE)
    if alert.case_id is not None:
        raise BadRequest("Alert is already imported")


async def _bring(session: AsyncSession, caller: Caller, alert: Alert, case: Case, now: int, *, everything: bool) -> None:
    """Copies what hangs on the alert into the case and links it; without `everything`, observables and procedures alone."""
    await copy_to_case(session, caller, alert_id=alert.id, case_id=case.id, org_id=case.org_id)
    copied = {"org": case.org_id, "case": case.id, "alert": alert.id}
    await session.execute(COPY_PROCEDURES, copied)
    if everything:
        await session.execute(COPY_COMMENTS, copied)
        await session.execute(INDEX_COMMENTS, copied)
    files = select(Attachment).where(Attachment.alert_id == alert.id).order_by(Attachment.id)
    for one in await session.scalars(files) if everything else ():
        session.add(
            Attachment(
                org_id=case.org_id, case_id=case.id, name=one.name, content_type=one.content_type, size=one.size,
                sha256=one.sha256, created_at=now, created_by=caller.login,
            )
        )  # fmt: skip
    alert.case_id, alert.status, alert.stage, alert.read = case.id, "Imported", "Imported", True
    alert.imported_date = now
    alert.in_progress_date = alert.in_progress_date or now
    touch(alert, caller.login)
    await session.flush()
    details = {"caseId": text_id(case.id), "status": "Imported", "read": True}
    await record(
        session,
        caller,
        action="update",
        kind="alert",
        object_id=alert.id,
        root=Root("case", case.id),
        details=details,
        base=False,
    )
    message = news(AlertImported, alert, ("case_id", "status", "stage", "read"))
    await tell(session, caller, message, key=f"alert:{text_id(alert.id)}")
    await session.refresh(alert)
