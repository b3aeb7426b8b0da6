"""Observables as a caller describes them: one description may stand for several values or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hive.attachments.files import StoredFile
from hive.catalogue import Catalogue
from hive.markings import pap_of, tlp_of
from hive.observables.drafts import ObservableDraft
from hive.observables.schemas import ExistingAttachment, InputObservable
from waggle.errors import InvalidFields


def drafts_of(given: InputObservable, catalogue: Catalogue, files: Mapping[str, Sequence[StoredFile]]) -> list[ObservableDraft]:
    """One draft per distinct value or file. `files`: stored files by the name that `attachment` uses for them."""
    if catalogue.kind(given.data_type).is_attachment:
        if given.data is not None:
            raise InvalidFields.invalid("data", f"an observable of type {given.data_type} is a file")
        return [_draft(given, file=file) for file in _files(given, files)]
    if given.attachment is not None:
        raise InvalidFields.invalid("attachment", f"an observable of type {given.data_type} is a value")
    if given.data is None:
        raise InvalidFields.missing("data")
    values = given.data if isinstance(given.data, list) else [given.data]
    return [_draft(given, data=value) for value in dict.fromkeys(values)]


def _draft(given: InputObservable, *, data: str | None = None, file: StoredFile | None = None) -> ObservableDraft:
    return ObservableDraft(
        data_type=given.data_type, data=data, file=file, tlp=tlp_of(given.tlp), pap=pap_of(given.pap), ioc=given.ioc,
        sighted=given.sighted, sighted_at=given.sighted_at, ignore_similarity=given.ignore_similarity, tags=given.tags,
        message=given.message,
    )  # fmt: skip


def _files(given: InputObservable, files: Mapping[str, Sequence[StoredFile]]) -> list[StoredFile]:
    found: list[StoredFile] = []
    for key in attached(given):
        if key not in files:
            raise InvalidFields.invalid("attachment", f"there is no file {key[:64]} in the request")
        found += files[key]
    return found


def attached(given: InputObservable) -> list[str]:
    """The names by which a description refers to its files; without any, the part that clients call `attachment`."""
    listed = given.attachment if isinstance(given.attachment, list) else [given.attachment]
    named = [one.id if isinstance(one, ExistingAttachment) else one for one in listed if one is not None]
    return list(dict.fromkeys(named)) or ["attachment"]


def referenced(observables: Sequence[InputObservable]) -> dict[str, ExistingAttachment]:
    """The files that descriptions refer to by content hash; the caller must be able to see each of them."""
    found: dict[str, ExistingAttachment] = {}
    for given in observables:
        listed = given.attachment if isinstance(given.attachment, list) else [given.attachment]
        found.update({one.id: one for one in listed if isinstance(one, ExistingAttachment)})
    return found
