"""From the v1 API's inputs to the service's words: numbers to TLP words, nulls to cleared fields."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.models import Alert
from hive.alerts.promotion import case_draft
from hive.alerts.schemas import InputUpdateAlert
from hive.alerts.service import AlertChanges
from hive.cases.edits import drafted
from hive.cases.schemas import InputPromoteAlert
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.customfields.values import parsed
from hive.edits import plain_columns
from hive.identity.caller import Caller
from waggle.errors import InvalidFields

CLEARABLE = frozenset({"summary", "external_link", "last_sync_date"})
MERGED = frozenset({"add_tags", "remove_tags", "custom_fields", "status", "assignee"})


def alert_changes(given: InputUpdateAlert, catalogue: Catalogue) -> AlertChanges:
    sent = given.given()
    if "status" in sent and given.status is None:
        raise InvalidFields.invalid("status", "null is not a value here")
    return AlertChanges(
        columns=plain_columns(sent, merged=MERGED, clearable=CLEARABLE),
        status=given.status,
        assignee=given.assignee or None,
        clear_assignee="assignee" in sent and not given.assignee,
        add_tags=given.add_tags or [],
        remove_tags=given.remove_tags or [],
        fields=parsed(given.custom_fields, catalogue) if given.custom_fields is not None else None,
        fields_mode="replace" if isinstance(given.custom_fields, list) else "append",
    )


async def promotion_draft(
    session: AsyncSession, caller: Caller, alert: Alert, given: InputPromoteAlert, catalogue: Catalogue
) -> CaseDraft:
    """The case an alert becomes, with what the request overrides; the caller works on it unless somebody else is named."""
    base = case_draft(alert, catalogue)
    draft = await drafted(session, caller, base, given, catalogue)
    overridden = {value.definition.name for value in draft.fields} if given.custom_fields is not None else set()
    if overridden:
        kept = [value for value in base.fields if value.definition.name not in overridden]
        draft = replace(draft, fields=[*draft.fields, *kept])
    return draft
