"""Files as objects: adding, finding, and which contents a caller may refer to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.attachments.files import StoredFile, media_type, plain_name
from hive.attachments.models import Attachment, Blob
from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.observables.models import Observable
from hive.tables import number_of
from waggle.errors import BadRequest, NotFound
from waggle.ids import now_ms


async def add(
    session: AsyncSession,
    caller: Caller,
    files: Sequence[StoredFile],
    *,
    org_id: int,
    alert_id: int | None = None,
    case_id: int | None = None,
    log_id: int | None = None,
) -> list[Attachment]:
    """Hangs files on an alert, a case or a log (with its case)."""
    now = now_ms()
    added = [
        Attachment(
            org_id=org_id, alert_id=alert_id, case_id=case_id, log_id=log_id, name=f.name, content_type=f.content_type,
            size=f.size, sha256=f.sha256, created_at=now, created_by=caller.login,
        )
        for f in files
    ]  # fmt: skip
    for one in added:  # one by one: ids in the order sent
        session.add(one)
        await session.flush()
        await session.refresh(one)
    return added


async def find(
    session: AsyncSession,
    reference: str,
    *,
    alert_id: int | None = None,
    case_id: int | None = None,
    log_id: int | None = None,
) -> Attachment:
    """The file of an id on exactly that alert, case or log; on none: the organisation's own. Raises NotFound."""
    found = await session.scalar(
        select(Attachment).where(
            Attachment.id == number_of(reference), Attachment.alert_id.is_not_distinct_from(alert_id),
            Attachment.log_id.is_not_distinct_from(log_id),
            Attachment.case_id.is_not_distinct_from(case_id) if log_id is None else Attachment.case_id.is_not(None),
        )
    )  # fmt: skip
    if found is None:
        raise NotFound(f"Attachment {reference[:64]} not found")
    return found


def named(files: Sequence[StoredFile], taken: Sequence[str], *, can_rename: bool) -> list[StoredFile]:
    """The files under names that are free beside `taken`. Raises BadRequest for a clash that may not be solved by a suffix."""
    used, found = set(taken), []
    for file in files:
        name = file.name
        if name in used and not can_rename:
            raise BadRequest(f"there is an attachment {name} already")
        count = 1
        while name in used:
            stem, dot, end = file.name.rpartition(".")
            name = f"{stem} ({count}){dot}{end}" if stem else f"{file.name} ({count})"
            count += 1
        used.add(name)
        found.append(replace(file, name=name))
    return found


async def remove(session: AsyncSession, caller: Caller, attachment: Attachment, *, kind: str, object_id: int, root: Root) -> None:
    """Takes a file off the object it hangs on; the content is swept once nothing refers to it."""
    details = {"attachmentRemoved": attachment.name}
    await session.delete(attachment)
    await session.flush()
    await record(session, caller, action="update", kind=kind, object_id=object_id, root=root, details=details)


async def of_logs(session: AsyncSession, log_ids: Iterable[int]) -> dict[int, list[Attachment]]:
    """The files of several logs, in the order they were added."""
    found: dict[int, list[Attachment]] = {}
    rows = await session.scalars(select(Attachment).where(Attachment.log_id.in_(list(log_ids))).order_by(Attachment.id))
    for one in rows:
        assert one.log_id is not None
        found.setdefault(one.log_id, []).append(one)
    return found


async def existing(session: AsyncSession, sha256: str, *, name: str, content_type: str | None) -> StoredFile:
    """A content the caller can see already, to hang it elsewhere. Raises NotFound: a known hash alone opens nothing."""
    raw = bytes.fromhex(sha256)
    seen = or_(exists().where(Attachment.sha256 == raw), exists().where(Observable.sha256 == raw))
    blob = await session.scalar(select(Blob).where(Blob.sha256 == raw, seen))
    if blob is None:
        raise NotFound(f"Attachment {sha256} not found")
    plain = plain_name(name)
    return StoredFile(plain, media_type(content_type, plain), blob.size, blob.sha256, blob.sha1, blob.md5)


@dataclass(frozen=True, slots=True)
class Download:
    """What a download needs to know."""

    name: str
    content_type: str
    size: int
    sha256: str


async def download(session: AsyncSession, attachment_id: int) -> Download:
    """Any file visible to the caller, by the id the API shows: of an object, or of an observable."""
    one = await session.get(Attachment, attachment_id)
    if one is not None:
        return Download(one.name, one.content_type, one.size, one.sha256.hex())
    found = await session.scalar(select(Observable).where(Observable.attachment_id == attachment_id))
    if found is None or found.sha256 is None or found.blob is None:
        raise NotFound(f"Attachment ~{attachment_id} not found")
    return Download(found.file_name or "", found.content_type or "", found.blob["size"], found.sha256.hex())


async def download_by_hash(session: AsyncSession, sha256: str) -> Download:
    """As `download`, by content hash (the classic datastore)."""
    raw = bytes.fromhex(sha256)
    one = await session.scalar(select(Attachment).where(Attachment.sha256 == raw).order_by(Attachment.id).limit(1))
    if one is not None:
        return Download(one.name, one.content_type, one.size, sha256)
    found = await session.scalar(select(Observable).where(Observable.sha256 == raw).order_by(Observable.id).limit(1))
    if found is None or found.blob is None:
        raise NotFound(f"Attachment {sha256} not found")
    return Download(found.file_name or "", found.content_type or "", found.blob["size"], sha256)
