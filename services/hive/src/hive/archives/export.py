"""From a case to its archive: a zip encrypted with AES-256, which 7-Zip and the like open with the password."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyzipper
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.archives.format import (
    DOCUMENT,
    Archive,
    ArchivedCase,
    ArchivedComment,
    ArchivedField,
    ArchivedFile,
    ArchivedLog,
    ArchivedObservable,
    ArchivedPage,
    ArchivedProcedure,
    ArchivedTask,
)
from hive.attachments import service as attachments
from hive.attachments.models import Attachment
from hive.cases.models import Case
from hive.comments.models import Comment
from hive.observables.models import Observable
from hive.pages.models import Page
from hive.platform import Hive
from hive.procedures.models import Procedure
from hive.tasks.models import Log, Task
from waggle.ids import now_ms


def _file(one: Attachment) -> ArchivedFile:
    return ArchivedFile(sha256=one.sha256.hex(), name=one.name, content_type=one.content_type)


async def gathered(session: AsyncSession, case: Case) -> Archive:
    """Everything of the case that the caller sees."""

    async def under(model: Any) -> list[Any]:
        return list(await session.scalars(select(model).where(model.case_id == case.id).order_by(model.id)))

    files = [_file(one) for one in await under(Attachment) if one.log_id is None]
    shown = ArchivedCase.model_validate(
        {
            **{
                name: getattr(case, name)
                for name in (
                    "title", "description", "severity", "tlp", "pap", "start_date", "end_date", "status", "impact_status",
                    "summary", "flag", "tags",
                )
            },
            "custom_fields": [
                ArchivedField(name=one["name"], value=one["value"], order=one["order"]) for one in case.custom_fields
            ],
            "tasks": await _tasks(session, await under(Task), await under(Log)),
            "observables": [_observable(one) for one in await under(Observable)],
            "procedures": [
                ArchivedProcedure(
                    pattern_id=one.pattern_id, tactic=one.tactic, description=one.description, occur_date=one.occur_date
                )
                for one in await under(Procedure)
            ],
            "pages": [
                ArchivedPage(title=one.title, content=one.content, category=one.category, order=one.ord)
                for one in await under(Page)
            ],
            "comments": [ArchivedComment(message=one.message, author=one.created_by) for one in await under(Comment)],
            "files": files,
        }
    )  # fmt: skip
    return Archive(exported_at=now_ms(), case=shown)


async def _tasks(session: AsyncSession, tasks: list[Task], logs: list[Log]) -> list[ArchivedTask]:
    files = await attachments.of_logs(session, [log.id for log in logs])
    below: dict[int, list[ArchivedLog]] = {}
    for log in logs:
        attached = [_file(one) for one in files.get(log.id, [])]
        shown = ArchivedLog(message=log.message, date=log.date, include_in_timeline=log.include_in_timeline, files=attached)
        below.setdefault(log.task_id, []).append(shown)
    return [
        ArchivedTask.model_validate(
            {
                "title": one.title, "group": one.task_group, "description": one.description, "status": one.status,
                "flag": one.flag, "mandatory": one.mandatory, "order": one.ord, "start_date": one.start_date,
                "end_date": one.end_date, "due_date": one.due_date, "logs": below.get(one.id, []),
            }
        )
        for one in tasks
    ]  # fmt: skip


def _observable(one: Observable) -> ArchivedObservable:
    file = None
    if one.sha256 is not None:
        file = ArchivedFile(sha256=one.sha256.hex(), name=one.file_name or "unnamed", content_type=one.content_type or "")
    return ArchivedObservable.model_validate(
        {
            "data_type": one.data_type, "data": one.data, "file": file, "tlp": one.tlp, "pap": one.pap, "ioc": one.ioc,
            "sighted": one.sighted, "sighted_at": one.sighted_at, "ignore_similarity": one.ignore_similarity, "tags": one.tags,
            "message": one.message,
        }
    )  # fmt: skip


async def written(hive: Hive, archive: Archive, *, password: str) -> Path:
    """The archive in a new folder of its own, which the caller removes."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="hive-archive-"))
    try:
        contents: dict[str, Path] = {}
        for sha256 in archive.files():
            contents[sha256] = folder / sha256
            await hive.blobs.copy_to(sha256, contents[sha256])
        await asyncio.to_thread(_zip, folder / "archive.zip", archive.model_dump_json().encode(), contents, password)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder / "archive.zip"


def _zip(target: Path, document: bytes, contents: Mapping[str, Path], password: str) -> None:
    with pyzipper.AESZipFile(target, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        archive.writestr(DOCUMENT, document)
        for sha256, path in contents.items():
            archive.write(path, sha256, compress_type=pyzipper.ZIP_STORED)
