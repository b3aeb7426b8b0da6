"""Changing and removing case templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.tables import touch
from hive.templates.models import CaseTemplate
from waggle.errors import CreateError


async def change(session: AsyncSession, caller: Caller, template: CaseTemplate, changes: Mapping[str, Any]) -> None:
    """Changes a template by column name. Raises CreateError for a name another template has."""
    changed = {name: value for name, value in changes.items() if getattr(template, name) != value}
    if not changed:
        return
    try:
        async with session.begin_nested():
            for name, value in changed.items():
                setattr(template, name, value)
            touch(template, caller.login)
            await session.flush()
    except IntegrityError as error:
        raise CreateError(f"CaseTemplate {changed.get('name')} already exist in organisation {caller.organisation}") from error
    root = Root("organisation", caller.org_id)
    details = {"name": template.name, **changed}
    await record(session, caller, action="update", kind="caseTemplate", object_id=template.id, root=root, details=details)
    await session.refresh(template)


async def remove(session: AsyncSession, caller: Caller, template: CaseTemplate) -> None:
    """Cases that were made from it keep what they have."""
    root = Root("organisation", caller.org_id)
    details = {"name": template.name}
    await record(session, caller, action="delete", kind="caseTemplate", object_id=template.id, root=root, details=details)
    await session.delete(template)
    await session.flush()
