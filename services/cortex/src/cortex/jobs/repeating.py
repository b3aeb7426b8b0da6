"""The request that a job was made from, to be asked again."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.jobs.models import Attachment, Job
from cortex.jobs.models import Blob as BlobRow
from cortex.jobs.requests import File, RunRequest
from waggle.blobs import Blob
from waggle.contracts.vocabulary import pap_word, tlp_word


async def repeated(session: AsyncSession, job: Job) -> RunRequest:
    """As it was, but no older report answers it."""
    file = None
    if job.attachment_id is not None:
        query = select(Attachment, BlobRow).join(BlobRow, BlobRow.sha256 == Attachment.sha256)
        attachment, row = (await session.execute(query.where(Attachment.id == job.attachment_id))).one().tuple()
        blob = Blob(sha256=row.sha256.hex(), sha1=row.sha1.hex(), md5=row.md5.hex(), size=row.size)
        file = File(blob, attachment.name, attachment.content_type)
    return RunRequest(
        data_type=job.data_type,
        data=job.data,
        file=file,
        tlp=tlp_word(job.tlp),
        pap=pap_word(job.pap),
        message=job.message,
        parameters=job.parameters,
        label=job.label,
        force=True,
    )
