"""Files that come with a request, stored before anything refers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.datastructures import UploadFile

from hive.acting import Acting
from hive.attachments import service as attachments
from hive.attachments.files import StoredFile, store_upload
from hive.attachments.unzipped import unzipped
from hive.observables.inputs import attached, referenced
from hive.observables.schemas import InputObservable
from waggle.errors import InvalidFields


async def stored_parts(acting: Acting, parts: Sequence[UploadFile]) -> list[StoredFile]:
    """The parts of a form as stored files. Raises InvalidFields when there is none."""
    if not parts:
        raise InvalidFields.missing("attachments")
    return [await store_upload(acting.hive.blobs, acting.hive.database, one) for one in parts]


async def stored_files(
    acting: Acting, parts: Mapping[str, Sequence[UploadFile]], observables: Sequence[InputObservable]
) -> dict[str, list[StoredFile]]:
    """Stored files by the name observables use for them: the part's name, or the hash of a content already here.

    An archive that an observable says is one (`isZip`) is replaced by the files in it.
    """
    found: dict[str, list[StoredFile]] = {}
    for name, uploads in parts.items():
        found[name] = [await store_upload(acting.hive.blobs, acting.hive.database, one) for one in uploads]
    known = referenced(observables)
    if known:
        async with acting.read() as session:
            for sha256, one in known.items():
                file = await attachments.existing(session, sha256, name=one.name, content_type=one.content_type)
                found[sha256] = [file]
    for observable in observables:
        if observable.is_zip:
            for name in attached(observable):
                inside = [await unzipped(acting.hive, one, password=observable.zip_password) for one in found.get(name, [])]
                found[name] = [file for files in inside for file in files]
    return found
