"""Responders: which may work on an object, starting one, and what was done with an object so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.lookup import find as find_alert
from hive.analysis.backends import Backends
from hive.analysis.models import Action
from hive.analysis.service import asked, refuse
from hive.analysis.subjects import DATA_TYPES, Subject, of_action
from hive.analysis.workers import Available, allowed, choose, refusal, workers
from hive.audit.service import Root, record
from hive.cases import rights
from hive.cases.lookup import find as find_case
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.observables.service import find as find_observable
from hive.tables import number_of, text_id
from hive.tasks.service import find as find_task
from hive.tasks.service import find_log
from waggle.contracts.vocabulary import TLP_LEVELS, tlp_word
from waggle.errors import InvalidFields, NotFound

ObjectKind = Literal["alert", "case", "case_task", "case_task_log", "case_artifact"]
KINDS: dict[str, ObjectKind] = {
    "alert": "alert", "case": "case", "task": "case_task", "case_task": "case_task", "log": "case_task_log",
    "case_task_log": "case_task_log", "observable": "case_artifact", "artifact": "case_artifact",
    "case_artifact": "case_artifact",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """An object that a responder may work on, with what it hangs on and the markings that hold for it."""

    kind: ObjectKind
    id: int
    org_id: int
    tlp: str
    pap: str
    case_id: int | None = None
    alert_id: int | None = None
    task_id: int | None = None
    log_id: int | None = None
    observable_id: int | None = None

    @property
    def root(self) -> Root:
        return Root("case", self.case_id) if self.case_id is not None else Root("alert", self.alert_id or 0)


def stricter(tlp: str, wanted: str | None) -> str:
    """The stricter of an object's TLP and the one a caller asks for."""
    return TLP_LEVELS[max(TLP_LEVELS.index(tlp_word(one)) for one in (tlp, wanted or tlp))]


def kind_of(name: str) -> ObjectKind:
    """The kind by its classic or native name, in any case of letters. Raises InvalidFields."""
    found = KINDS.get(name.lower())
    if found is None:
        raise InvalidFields.invalid("objectType", f"a responder works on {', '.join(DATA_TYPES)}")
    return found


async def target_of(session: AsyncSession, kind: ObjectKind, reference: str) -> Target:
    """The object, if the caller sees it. Raises NotFound."""
    if kind == "alert":
        alert = await find_alert(session, reference)
        return Target(kind, alert.id, alert.org_id, alert.tlp, alert.pap, alert_id=alert.id, case_id=None)
    if kind == "case":
        case = await find_case(session, reference)
        return Target(kind, case.id, case.org_id, case.tlp, case.pap, case_id=case.id)
    if kind == "case_artifact":
        one = await find_observable(session, reference)
        return Target(
            kind, one.id, one.org_id, one.tlp, one.pap, case_id=one.case_id, alert_id=one.alert_id, observable_id=one.id
        )
    log = await find_log(session, reference) if kind == "case_task_log" else None
    task = await find_task(session, text_id(log.task_id) if log else reference)
    case = await find_case(session, text_id(task.case_id))
    return Target(
        kind, log.id if log else task.id, case.org_id, case.tlp, case.pap, case_id=case.id, task_id=task.id,
        log_id=log.id if log else None,
    )  # fmt: skip


async def responders(session: AsyncSession, caller: Caller, target: Target) -> list[Available]:
    """The responders for an object, without those that its markings are too strict for."""
    data_type = DATA_TYPES[target.kind]
    subject = Subject("responder", target.kind, data_type, target.tlp, target.pap)
    found = await workers(session, caller.organisation, kind="responder", data_type=data_type)
    return [one for one in found if allowed(one.worker, subject) is None]


async def request_action(
    session: AsyncSession,
    caller: Caller,
    target: Target,
    *,
    worker_id: str,
    server_name: str | None,
    parameters: dict[str, Any],
    backends: Backends,
    tlp: str | None = None,
) -> Action:
    """A new action. What cannot run is an action that ends as Failure. `tlp` can make the object's marking stricter only."""
    await rights.check(session, caller, case_id=target.case_id, org_id=target.org_id, permission=Permission.ACTION)
    choice = await choose(session, caller.organisation, kind="responder", worker_id=worker_id, server_name=server_name)
    action = Action(
        org_id=target.org_id, object_kind=target.kind, object_id=target.id, case_id=target.case_id, alert_id=target.alert_id,
        task_id=target.task_id, log_id=target.log_id, observable_id=target.observable_id,
        tlp=stricter(target.tlp, tlp), pap=target.pap,
        **asked(caller, choice, worker_id=worker_id, server_name=server_name, parameters=parameters),
    )  # fmt: skip
    subject = await of_action(session, caller, action)
    if subject is None:
        raise NotFound(f"the {target.kind} is gone")
    refuse(action, refusal(choice, subject, worker_id=worker_id, server_name=server_name))
    session.add(action)
    await session.flush()
    details = {"responderName": action.worker_name, "status": action.status, "objectType": target.kind,
               "objectId": text_id(target.id)}  # fmt: skip
    if action.error is not None:
        details["errorMessage"] = action.error
    await record(session, caller, action="create", kind="action", object_id=action.id, root=target.root, details=details)
    if action.status == "Waiting" and choice.server is not None:
        await backends[choice.server.kind].submit(session, caller, action, subject)
    await session.refresh(action)
    return action


async def of_object(session: AsyncSession, target: Target) -> list[Action]:
    """What was done with an object, newest first."""
    statement = select(Action).where(Action.object_id == target.id, Action.object_kind == target.kind)
    return list(await session.scalars(statement.order_by(Action.id.desc()).limit(1000)))


async def find(session: AsyncSession, reference: str) -> Action:
    """The action of an id. Raises NotFound."""
    found = await session.scalar(select(Action).where(Action.id == number_of(reference)))
    if found is None:
        raise NotFound(f"Action {reference[:64]} not found")
    return found
