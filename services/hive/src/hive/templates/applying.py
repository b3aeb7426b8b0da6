"""Applying a template to cases that exist: only the parts that are switched on (hive-v1 §5.4)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from hive.cases import service as cases
from hive.cases.models import Case
from hive.cases.service import CaseChanges
from hive.catalogue import Catalogue
from hive.customfields.values import FieldValue
from hive.identity.caller import Caller
from hive.markings import Input
from hive.pages import service as pages
from hive.tasks.service import add_tasks
from hive.templates import service
from hive.templates.models import CaseTemplate
from waggle.errors import NotFound

Id = Annotated[str, Field(max_length=64)]
Ids = Annotated[list[Id], Field(max_length=1000)]


class InputApplyTemplate(Input):
    """`import_tasks`: ids of tasks of the template; `import_pages`: ids of page templates."""

    ids: Ids
    case_template: Annotated[str, Field(min_length=1, max_length=128)]
    update_title_prefix: bool = False
    update_description: bool = False
    update_tags: bool = False
    update_severity: bool = False
    update_flag: bool = False
    update_tlp: bool = False
    update_pap: bool = False
    update_custom_fields: bool = False
    import_tasks: Ids = Field(default_factory=list)
    import_pages: Ids = Field(default_factory=list)


async def apply_template(
    session: AsyncSession, caller: Caller, case: Case, given: InputApplyTemplate, catalogue: Catalogue
) -> None:
    """Raises NotFound for an unknown template, task or page. The case is locked by this transaction."""
    template = await service.find(session, given.case_template)
    changes = CaseChanges(
        columns=_columns(case, template, given),
        add_tags=list(template.tags) if given.update_tags else [],
        fields=_fields(case, template, catalogue) if given.update_custom_fields else None,
    )
    await cases.change(session, caller, case, changes, catalogue)
    by_id = {one.get("id"): one for one in template.tasks}
    if unknown := [one for one in given.import_tasks if one not in by_id]:
        raise NotFound(f"Task {unknown[0]} not found in the template")
    await add_tasks(session, caller, case, [service.task_of(by_id[one]) for one in given.import_tasks])
    wanted = [await pages.find_template(session, one) for one in given.import_pages]
    if wanted:
        drafts = [pages.draft_of(one) for one in wanted]
        await pages.add(session, caller, case_id=case.id, org_id=case.org_id, drafts=drafts)


def _columns(case: Case, template: CaseTemplate, given: InputApplyTemplate) -> dict[str, Any]:
    """What the template says about parts that are switched on; what it leaves open stays."""
    columns: dict[str, Any] = {}
    for name in ("description", "severity", "flag", "tlp", "pap"):
        value = getattr(template, name)
        if getattr(given, f"update_{name}") and value is not None:
            columns[name] = value
    if given.update_title_prefix and template.title_prefix and not case.title.startswith(template.title_prefix):
        columns["title"] = service.prefixed(case.title, template)
    return columns


def _fields(case: Case, template: CaseTemplate, catalogue: Catalogue) -> list[FieldValue]:
    """The template's fields that the case has no value of."""
    present = {one["name"] for one in case.custom_fields}
    return [one for one in service.fields_of(template, catalogue) if one.definition.name not in present]
