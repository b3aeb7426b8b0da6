"""What reports found: kept with the job, and made observables of the same alert or case when somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.analysis.models import Job, JobArtifact
from hive.analysis.outcomes import MAX_ARTIFACTS, FoundArtifact
from hive.attachments.files import StoredFile
from hive.attachments.models import Blob
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.markings import unique
from hive.observables.drafts import ObservableDraft, checked
from hive.observables.models import Observable
from hive.observables.service import Parent, create
from hive.tables import number_of
from waggle.errors import InvalidFields, NotFound
from waggle.ids import now_ms

WISH = "autoImport:true"
OTHER = "other"


async def keep(session: AsyncSession, job: Job, found: Sequence[FoundArtifact]) -> None:
    """Writes what a report found beside its job, in the report's order."""
    for one in found[:MAX_ARTIFACTS]:
        file = one.file
        session.add(
            JobArtifact(
                org_id=job.org_id, job_id=job.id, data_type=one.data_type, data=one.data, tags=list(one.tags),
                message=one.message, tlp=one.tlp or "AMBER", sha256=file.sha256 if file else None,
                file_name=file.name if file else None, content_type=file.content_type if file else None,
                size=file.size if file else None,
            )
        )  # fmt: skip
        await session.flush()


async def of_job(session: AsyncSession, job: Job) -> list[JobArtifact]:
    return list(await session.scalars(select(JobArtifact).where(JobArtifact.job_id == job.id).order_by(JobArtifact.id)))


async def find(session: AsyncSession, job: Job, reference: str) -> JobArtifact:
    """Raises NotFound for what this job did not find."""
    statement = select(JobArtifact).where(JobArtifact.job_id == job.id, JobArtifact.id == number_of(reference))
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"the job has no artifact {reference[:64]}")
    return found


async def import_wished(session: AsyncSession, caller: Caller, job: Job, catalogue: Catalogue) -> None:
    """The artifacts that the report itself wants imported (tag `autoImport:true`, as TheHive 5 does)."""
    wished = [one for one in await of_job(session, job) if WISH in one.tags]
    if wished:
        await import_all(session, caller, job, wished, catalogue)


async def import_all(
    session: AsyncSession, caller: Caller, job: Job, chosen: Sequence[JobArtifact], catalogue: Catalogue
) -> tuple[list[Observable], list[JobArtifact]]:
    """Makes observables beside the analyzed one; returns those made, and the artifacts whose value was there already.

    Each artifact remembers its observable, a former one as well. What no observable can hold (a value too long) is left out.
    """
    analyzed = await session.get(Observable, job.observable_id)
    if analyzed is None:
        raise NotFound("the analyzed observable is gone")
    parent = Parent("case" if analyzed.case_id is not None else "alert", analyzed.parent_id, analyzed.org_id)
    drafts = {one.id: draft for one in chosen if (draft := await _draft(session, one, analyzed, catalogue)) is not None}
    made, _ = await create(session, caller, parent, list(drafts.values()))
    keys = [draft.key for draft in drafts.values()]
    there = await session.scalars(select(Observable).where(Observable.parent_id == parent.id, Observable.value_key.in_(keys)))
    ids = {(one.data_type, one.value_key): one.id for one in there}
    fresh = {one.id for one in made}
    known: list[JobArtifact] = []
    for one in chosen:
        draft = drafts.get(one.id)
        if draft is None:
            continue
        assert draft.key is not None
        one.imported_id = ids[draft.data_type, draft.key]
        if one.imported_id not in fresh:
            known.append(one)
    await session.flush()
    return made, known


async def _draft(session: AsyncSession, one: JobArtifact, analyzed: Observable, catalogue: Catalogue) -> ObservableDraft | None:
    """A type we do not know is kept as `other` with its name in a tag."""
    kind = catalogue.types.get(one.data_type)
    tags = [tag[:128] for tag in one.tags if tag and tag != WISH]
    data_type = one.data_type
    if kind is None or kind.is_attachment != (one.sha256 is not None):
        data_type = "file" if one.sha256 is not None else OTHER
        tags.append(f"type:{one.data_type}"[:128])
    file = None
    if one.sha256 is not None:
        blob = await session.get(Blob, one.sha256)
        if blob is None:
            return None
        file = StoredFile(one.file_name or "unnamed", one.content_type or "", blob.size, blob.sha256, blob.sha1, blob.md5)
    draft = ObservableDraft(
        data_type=data_type, data=one.data, file=file, tlp=one.tlp, pap=analyzed.pap, tags=unique(tags), message=one.message
    )
    try:
        return checked(draft, catalogue, now=now_ms())
    except InvalidFields:
        return None
