"""The operations that reports ask for (contracts/cortex.md §8.3), applied once, in order, each for itself.

A report is written by a program that somebody wrote somewhere: an operation is checked like a request of the person who asked for
the run, with their permissions and their sight of the object today. One that fails says why and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts import service as alerts
from hive.alerts.lookup import find as find_alert
from hive.alerts.models import Alert
from hive.analysis.authority import act_as, who_asked
from hive.analysis.models import Action, Run
from hive.analysis.outcomes import MAX_OPERATIONS
from hive.cases import service as cases
from hive.cases.lookup import find as find_case
from hive.cases.models import Case
from hive.catalogue import Catalogue
from hive.customfields.values import FieldValue, fitting
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft, checked
from hive.tables import text_id
from hive.tasks import service as tasks
from hive.tasks.models import Task
from waggle.errors import BadRequest, WaggleError
from waggle.ids import now_ms

CORTEX_TLP = ("CLEAR", "GREEN", "AMBER", "RED")
Tag = Annotated[str, Field(min_length=1, max_length=128)]
Text = Annotated[str, Field(max_length=1_048_576)]


class Operation(BaseModel):
    """Unknown keys are the responder's own business."""

    model_config = ConfigDict(extra="ignore")


class AddTag(Operation):
    tag: Tag


class CreateTask(Operation):
    title: Annotated[str, Field(min_length=1, max_length=128)]
    description: Text | None = None


class AddCustomFields(Operation):
    name: Annotated[str, Field(min_length=1, max_length=64)]
    tpe: str = "string"
    value: str | int | float | bool | None = None


class CloseTask(Operation):
    pass


class MarkAlertAsRead(Operation):
    pass


class AddLogToTask(Operation):
    """`owner` is not believed: the log is of whoever asked for the run."""

    content: Annotated[str, Field(min_length=1, max_length=1_048_576)]


class AddArtifactToCase(Operation):
    data: Annotated[str, Field(min_length=1, max_length=4096)]
    data_type: Annotated[str, Field(alias="dataType", min_length=1, max_length=64)]
    message: Text | None = None
    tlp: Annotated[int, Field(ge=0, le=3)] = 2
    ioc: bool = False
    sighted: bool = False
    ignore_similarity: Annotated[bool, Field(alias="ignoreSimilarity")] = False
    tags: list[Tag] = Field(default_factory=list)


class AssignCase(Operation):
    owner: Annotated[str, Field(min_length=1, max_length=128)]


@dataclass(frozen=True, slots=True)
class Context:
    """The run, and in whose name its operations are done."""

    session: AsyncSession
    author: Caller
    run: Run
    catalogue: Catalogue

    async def case(self, permission: Permission) -> Case:
        """The case, locked. Raises BadRequest where the run has none, Forbidden, NotFound."""
        self.author.check(permission)
        case_id = self.run.case_id
        if case_id is None and self.run.alert_id is not None:
            case_id = (await find_alert(self.session, text_id(self.run.alert_id))).case_id
        if case_id is None:
            raise BadRequest("there is no case")
        return await find_case(self.session, text_id(case_id), for_update=True)

    async def alert(self) -> Alert:
        self.author.check(Permission.ALERT_UPDATE)
        if self.run.alert_id is None:
            raise BadRequest("there is no alert")
        return await find_alert(self.session, text_id(self.run.alert_id), for_update=True)

    async def task(self) -> Task:
        self.author.check(Permission.TASK)
        task_id = self.run.task_id if isinstance(self.run, Action) else None
        if task_id is None:
            raise BadRequest("there is no task")
        return await tasks.find(self.session, text_id(task_id), for_update=True)


async def _tag_case(at: Context, given: AddTag) -> str:
    case = await at.case(Permission.CASE_UPDATE)
    await cases.change(at.session, at.author, case, cases.CaseChanges(add_tags=[given.tag]), at.catalogue)
    return "Success"


async def _tag_alert(at: Context, given: AddTag) -> str:
    changes = alerts.AlertChanges(add_tags=[given.tag])
    await alerts.update(at.session, at.author, await at.alert(), changes, at.catalogue)
    return "Success"


async def _tag_observable(at: Context, given: AddTag) -> str:
    at.author.check(Permission.OBSERVABLE)
    observable_id = getattr(at.run, "observable_id", None)
    if observable_id is None:
        raise BadRequest("there is no observable")
    found = await observables.find(at.session, text_id(observable_id), for_update=True)
    await observables.change(at.session, at.author, found, {}, at.catalogue, add_tags=[given.tag])
    return "Success"


async def _create_task(at: Context, given: CreateTask) -> str:
    case = await at.case(Permission.TASK)
    draft = tasks.TaskDraft(title=given.title, description=given.description)
    (made,) = await tasks.add_tasks(at.session, at.author, case, [draft])
    return f"Task {text_id(made.id)} created"


async def _close_task(at: Context, _: CloseTask) -> str:
    await tasks.change(at.session, at.author, await at.task(), {"status": "Completed"})
    return "Success"


async def _log(at: Context, given: AddLogToTask) -> str:
    await tasks.add_log(
        at.session, at.author, await at.task(), message=given.content, date=None, include_in_timeline=None, files=()
    )
    return "Success"


async def _read_alert(at: Context, _: MarkAlertAsRead) -> str:
    await alerts.mark_read(at.session, at.author, await at.alert(), read=True, catalogue=at.catalogue)
    return "Success"


async def _assign(at: Context, given: AssignCase) -> str:
    case = await at.case(Permission.CASE_UPDATE)
    await cases.change(at.session, at.author, case, cases.CaseChanges(assignee=given.owner), at.catalogue)
    return "Success"


async def _custom_field(at: Context, given: AddCustomFields) -> str:
    """Sets the field on the case or, where there is none, on the alert; a value it had goes."""
    definition = at.catalogue.field(given.name)
    value = given.value
    if definition.type in ("string", "url") and value is not None and not isinstance(value, str):
        value = str(value)
    wanted = FieldValue(definition, fitting(definition, value), 0)

    def together(stored: list[dict[str, Any]]) -> list[FieldValue]:
        others = [FieldValue(at.catalogue.field(o["name"]), o["value"], o["order"]) for o in stored if o["name"] != given.name]
        return [*others, FieldValue(definition, wanted.value, len(others))]

    if at.run.case_id is not None:
        case = await at.case(Permission.CASE_UPDATE)
        changed = cases.CaseChanges(fields=together(case.custom_fields), fields_mode="replace")
        await cases.change(at.session, at.author, case, changed, at.catalogue)
    else:
        alert = await at.alert()
        changes = alerts.AlertChanges(fields=together(alert.custom_fields), fields_mode="replace")
        await alerts.update(at.session, at.author, alert, changes, at.catalogue)
    return "Success"


async def _observable(at: Context, given: AddArtifactToCase) -> str:
    case = await at.case(Permission.OBSERVABLE)
    draft = ObservableDraft(
        data_type=given.data_type, data=given.data, tlp=CORTEX_TLP[given.tlp], ioc=given.ioc, sighted=given.sighted,
        ignore_similarity=given.ignore_similarity, tags=given.tags, message=given.message,
    )  # fmt: skip
    parent = observables.Parent("case", case.id, case.org_id)
    made, _ = await observables.create(at.session, at.author, parent, [checked(draft, at.catalogue, now=now_ms())])
    return f"Observable {text_id(made[0].id)} created" if made else "the case has it already"


Handler = Callable[[Context, Any], Awaitable[str]]
HANDLERS: dict[str, tuple[type[Operation], Handler]] = {
    "AddTagToCase": (AddTag, _tag_case),
    "AddTagToAlert": (AddTag, _tag_alert),
    "AddTagToArtifact": (AddTag, _tag_observable),
    "CreateTask": (CreateTask, _create_task),
    "AddCustomFields": (AddCustomFields, _custom_field),
    "CloseTask": (CloseTask, _close_task),
    "MarkAlertAsRead": (MarkAlertAsRead, _read_alert),
    "AddLogToTask": (AddLogToTask, _log),
    "AddArtifactToCase": (AddArtifactToCase, _observable),
    "AssignCase": (AssignCase, _assign),
}


async def apply(
    session: AsyncSession, platform: Caller, run: Run, asked: Sequence[Mapping[str, Any]], catalogue: Catalogue
) -> list[dict[str, Any]]:
    """Applies what is asked, in order; returns each with `status` (Success, Failure) and `message`."""
    if not asked:
        return []
    author = await who_asked(session, platform, run)
    done = []
    for number, one in enumerate(asked):
        if author is None:
            done.append(_failed(one, f"{run.created_by} is no member of the organisation any more"))
        elif number >= MAX_OPERATIONS:
            done.append(_failed(one, f"a report may ask for {MAX_OPERATIONS} operations"))
        else:
            done.append(await _apply(Context(session, author, run, catalogue), one))
            await act_as(session, platform)
    return done


def _failed(one: Mapping[str, Any], why: str) -> dict[str, Any]:
    return {**one, "status": "Failure", "message": why}


async def _apply(at: Context, one: Mapping[str, Any]) -> dict[str, Any]:
    known = HANDLERS.get(str(one.get("type")))
    if known is None:
        return _failed(one, "hive does not know this operation")
    model, handler = known
    try:
        given = model.model_validate(one)
        async with at.session.begin_nested():
            await act_as(at.session, at.author)
            message = await handler(at, given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return _failed(one, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except WaggleError as error:
        return _failed(one, error.message)
    except DBAPIError:
        return _failed(one, "the database refused the change")
    return {**one, "status": "Success", "message": message}
