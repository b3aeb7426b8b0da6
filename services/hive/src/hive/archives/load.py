"""From an archive to a new case of the caller's organisation."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from hive.acting import Acting
from hive.archives.format import DOCUMENT, Archive, ArchivedCase, ArchivedFile, ArchivedTask
from hive.attachments import service as attachments
from hive.attachments.files import StoredFile, media_type, plain_name, store, store_upload
from hive.cases import service as cases
from hive.cases.edits import assignee_of
from hive.cases.models import Case
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.comments import service as comments
from hive.customfields.values import FieldValue, fitting
from hive.identity.permissions import Permission
from hive.observables import service as observables
from hive.observables.drafts import ObservableDraft, checked
from hive.observables.models import Observable
from hive.observables.service import Parent as Holder
from hive.pages import service as pages
from hive.pages.service import PageDraft
from hive.parents import Parent
from hive.procedures import service as procedures
from hive.procedures.models import Procedure
from hive.procedures.service import ProcedureDraft
from hive.sharing.service import ShareDraft
from hive.tasks import service as tasks
from hive.tasks.service import TaskDraft
from waggle.archives import BadArchive, Limits, Unpacked, unpacked
from waggle.errors import BadRequest, InvalidFields, NotFound, WaggleError
from waggle.ids import now_ms

RATIO = 2000
MAX_DOCUMENT = 256 << 20


@dataclass
class Loaded:
    """What came of an import; `errors` says what of the archive could not be taken over, and why."""

    case: Case
    observables: list[Observable] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, kind: str, name: str, error: WaggleError) -> None:
        self.errors.append({"type": error.type, "message": error.message, "object": {"kind": kind, "name": name[:200]}})


@dataclass(frozen=True, slots=True)
class Options:
    shares: tuple[ShareDraft, ...] = ()
    task_rule: str | None = None
    observable_rule: str | None = None


async def opened(acting: Acting, upload: UploadFile, *, password: str) -> tuple[Archive, dict[str, StoredFile]]:
    """The archive's document, and its files, stored. Raises InvalidFields for what is none or opens with another password."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hive-import-"))
    limits = Limits(count=100_000, size=acting.hive.settings.max_attachment, ratio=RATIO)
    try:
        kept = await store_upload(acting.hive.blobs, acting.hive.database, upload)
        await acting.hive.blobs.copy_to(kept.sha256.hex(), folder / "archive.zip")
        (folder / "files").mkdir()
        found = {
            one.name: one for one in await unpacked(folder / "archive.zip", folder / "files", password=password, limits=limits)
        }
        archive = await asyncio.to_thread(_document, found.get(DOCUMENT))
        return archive, {sha256: await _stored(acting, file, found) for sha256, file in archive.files().items()}
    except BadArchive as refused:
        raise InvalidFields.invalid("file", str(refused)) from None
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _document(one: Unpacked | None) -> Archive:
    if one is None or one.size > MAX_DOCUMENT:
        raise InvalidFields.invalid("file", f"it holds no {DOCUMENT}, or one that is too large")
    try:
        return Archive.model_validate_json(one.path.read_bytes())
    except ValidationError as error:
        raise InvalidFields.invalid("file", f"{DOCUMENT} is no case: {error.error_count()} fields are wrong") from None


async def _stored(acting: Acting, file: ArchivedFile, found: dict[str, Unpacked]) -> StoredFile:
    if file.sha256 not in found:
        raise InvalidFields.invalid("file", f"the content of {file.name} is missing")
    stored = await store(
        acting.hive.blobs, acting.hive.database, found[file.sha256].path, name=file.name, content_type=file.content_type
    )
    if stored.sha256.hex() != file.sha256:
        raise InvalidFields.invalid("file", f"the content of {file.name} is not what its name says")
    return stored


async def load(
    session: AsyncSession, acting: Acting, archive: Archive, files: dict[str, StoredFile], options: Options, catalogue: Catalogue
) -> Loaded:
    """A new case with all of the archive that this hive can hold."""
    given, caller = archive.case, acting.caller
    missing: list[tuple[str, str, WaggleError]] = []
    draft = CaseDraft(
        title=given.title, description=given.description, severity=given.severity, tlp=given.tlp, pap=given.pap,
        start_date=given.start_date, end_date=given.end_date, tags=given.tags, flag=given.flag, summary=given.summary,
        status=given.status if f"case:{given.status}" in catalogue.statuses else "New",
        assignee_id=await assignee_of(session, caller, None), fields=_fields(given, catalogue, missing), shares=options.shares,
        task_rule=options.task_rule, observable_rule=options.observable_rule,
    )  # fmt: skip
    case = await cases.create(session, caller, draft, catalogue)
    case.impact_status = given.impact_status
    await session.flush()
    loaded = Loaded(case)
    for kind, name, error in missing:
        loaded.refuse(kind, name, error)
    parent = Parent("case", case.id, case.org_id)
    for task in given.tasks:
        await _task(session, acting, case, task, files)
    await _observables(session, acting, loaded, given, files, catalogue)
    await _procedures(session, acting, loaded, parent, given)
    if given.pages and caller.may(Permission.PAGE):
        drafts = [PageDraft(one.title, one.content, one.category, one.order) for one in given.pages]
        await pages.add(session, caller, case_id=case.id, org_id=case.org_id, drafts=drafts, base=False)
    for comment in given.comments if caller.may(Permission.COMMENT) else ():
        await comments.create(session, caller, parent, message=f"{comment.author}: {comment.message}"[:1_048_576])
    await attachments.add(
        session, caller, [_named(files[one.sha256], one) for one in given.files], org_id=case.org_id, case_id=case.id
    )
    await session.refresh(case)
    return loaded


def _named(stored: StoredFile, file: ArchivedFile) -> StoredFile:
    """The same content may stand under several names."""
    name = plain_name(file.name)
    kind = media_type(file.content_type, name)
    return StoredFile(name, kind, stored.size, stored.sha256, stored.sha1, stored.md5)


def _fields(given: ArchivedCase, catalogue: Catalogue, missing: list[tuple[str, str, WaggleError]]) -> list[FieldValue]:
    found = []
    for one in given.custom_fields:
        try:
            definition = catalogue.field(one.name)
            found.append(FieldValue(definition, fitting(definition, one.value), one.order))
        except InvalidFields as error:
            missing.append(("customField", one.name, error))
    return found


async def _task(session: AsyncSession, acting: Acting, case: Case, given: ArchivedTask, files: dict[str, StoredFile]) -> None:
    """Its logs first, or a mandatory task that is done would be refused, and a waiting one be started by them."""
    if not acting.caller.may(Permission.TASK):
        return
    (task,) = await tasks.add_tasks(
        session, acting.caller, case,
        [
            TaskDraft(
                title=given.title, group=given.group, description=given.description, status=given.status, flag=given.flag,
                mandatory=given.mandatory, order=given.order, start_date=given.start_date, end_date=given.end_date,
                due_date=given.due_date,
            )
        ],
        base=False,
    )  # fmt: skip
    for log in given.logs:
        await tasks.add_log(
            session, acting.caller, task, message=log.message, date=log.date, include_in_timeline=log.include_in_timeline,
            files=[_named(files[one.sha256], one) for one in log.files],
        )  # fmt: skip
    if task.status != given.status:
        await tasks.change(session, acting.caller, task, {"status": given.status})


async def _observables(
    session: AsyncSession, acting: Acting, loaded: Loaded, given: ArchivedCase, files: dict[str, StoredFile], catalogue: Catalogue
) -> None:
    drafts = []
    for one in given.observables:
        draft = ObservableDraft(
            data_type=one.data_type, data=one.data, file=_named(files[one.file.sha256], one.file) if one.file else None,
            tlp=one.tlp, pap=one.pap, ioc=one.ioc, sighted=one.sighted, sighted_at=one.sighted_at,
            ignore_similarity=one.ignore_similarity, tags=one.tags, message=one.message,
        )  # fmt: skip
        try:
            drafts.append(checked(draft, catalogue, now=now_ms()))
        except (InvalidFields, BadRequest) as error:
            loaded.refuse("observable", one.data or (one.file.name if one.file else one.data_type), error)
    if drafts and acting.caller.may(Permission.OBSERVABLE):
        holder = Holder("case", loaded.case.id, loaded.case.org_id)
        loaded.observables, _ = await observables.create(session, acting.caller, holder, drafts)


async def _procedures(session: AsyncSession, acting: Acting, loaded: Loaded, parent: Parent, given: ArchivedCase) -> None:
    for one in given.procedures if acting.caller.may(Permission.PROCEDURE) else ():
        draft = ProcedureDraft(one.pattern_id, one.occur_date, one.tactic, one.description)
        try:
            loaded.procedures += await procedures.add(session, acting.caller, parent, [draft], base=False)
        except (NotFound, BadRequest) as error:
            loaded.refuse("procedure", one.pattern_id, error)
