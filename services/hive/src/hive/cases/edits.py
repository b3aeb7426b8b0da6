"""From the v1 API's inputs to drafts and changes of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from hive.cases.schemas import InputPromoteAlert, InputUpdateCase
from hive.cases.service import CaseChanges, CaseDraft
from hive.catalogue import Catalogue
from hive.customfields.values import parsed
from hive.edits import plain_columns
from hive.identity.caller import Caller
from hive.identity.people import assignable
from hive.identity.permissions import Permission
from hive.markings import pap_of, tlp_of
from hive.pages.service import PageDraft
from hive.sharing.service import ShareDraft
from hive.tasks.schemas import InputTask
from hive.tasks.service import TaskDraft
from waggle.errors import InvalidFields

CLEARABLE = frozenset({"summary", "impact_status", "end_date"})
RULES = ("task_rule", "observable_rule")
MERGED = frozenset({"add_tags", "remove_tags", "custom_fields", "status", "assignee", *RULES})
PLAIN = ("title", "description", "severity", "start_date", "end_date", "tags", "flag", "status", "summary")


def task_draft(given: InputTask) -> TaskDraft:
    return TaskDraft(**given.model_dump())


async def drafted(
    session: AsyncSession, caller: Caller, base: CaseDraft, given: InputPromoteAlert, catalogue: Catalogue
) -> CaseDraft:
    """`base` with what the request gives. Raises InvalidFields or BadRequest."""
    changes: dict[str, Any] = {name: value for name in PLAIN if (value := getattr(given, name)) is not None}
    if given.tlp is not None:
        changes["tlp"] = tlp_of(given.tlp)
    if given.pap is not None:
        changes["pap"] = pap_of(given.pap)
    if given.custom_fields is not None:
        changes["fields"] = parsed(given.custom_fields, catalogue)
    if given.tasks is not None:
        changes["tasks"] = [task_draft(one) for one in given.tasks]
    if given.pages is not None:
        changes["pages"] = [PageDraft(**one.model_dump()) for one in given.pages]
    if given.access is not None:
        changes["access"], changes["readers"] = given.access.word, given.access.users or []
    if given.sharing_parameters is not None:
        changes["shares"] = [
            ShareDraft(one.organisation, one.profile, one.task_rule, one.observable_rule)
            for one in given.sharing_parameters
            if one.share
        ]
    for rule in RULES:
        if (value := getattr(given, rule)) is not None:
            changes[rule] = value
    changes["assignee_id"] = await assignee_of(session, caller, given.assignee)
    return replace(base, **changes)


async def assignee_of(session: AsyncSession, caller: Caller, login: str | None) -> int | None:
    """The named user, else the caller if they can work on cases."""
    if login:
        return (await assignable(session, org_id=caller.org_id, login=login)).id
    return caller.user_id if caller.user_id and caller.may(Permission.CASE_UPDATE) else None


def case_changes(given: InputUpdateCase, catalogue: Catalogue) -> CaseChanges:
    sent = given.given()
    if "status" in sent and given.status is None:
        raise InvalidFields.invalid("status", "null is not a value here")
    return CaseChanges(
        columns=plain_columns(sent, merged=MERGED, clearable=CLEARABLE),
        rules={name: value for name in RULES if (value := getattr(given, name)) is not None},
        status=given.status,
        assignee=given.assignee or None,
        clear_assignee="assignee" in sent and not given.assignee,
        add_tags=given.add_tags or [],
        remove_tags=given.remove_tags or [],
        fields=parsed(given.custom_fields, catalogue) if given.custom_fields is not None else None,
        fields_mode="replace" if isinstance(given.custom_fields, list) else "append",
    )
