"""Observables that are about to be stored: checked against their types, without repeats, with their keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from hive.attachments.files import StoredFile
from hive.catalogue import Catalogue
from hive.markings import unique
from hive.observables.values import content_key, value_key
from waggle.contracts.vocabulary import DEFAULT_PAP, DEFAULT_TLP
from waggle.errors import InvalidFields

MAX_DATA = 4096


@dataclass(slots=True)
class ObservableDraft:
    """Exactly one of `data` and `file`, according to the type. Not frozen: intake makes twenty of them per alert, and completes
    each where it stands."""

    data_type: str
    data: str | None = None
    file: StoredFile | None = None
    tlp: str = DEFAULT_TLP
    pap: str = DEFAULT_PAP
    ioc: bool = False
    sighted: bool = False
    sighted_at: int | None = None
    ignore_similarity: bool = False
    tags: list[str] = field(default_factory=list)
    message: str | None = None
    first_seen: int | None = None
    origin: dict[str, Any] | None = None
    key: UUID | None = None


def checked(draft: ObservableDraft, catalogue: Catalogue, *, now: int) -> ObservableDraft:
    """Completes the draft with its key. Raises InvalidFields for an unknown type, or data where a file belongs."""
    kind = catalogue.kind(draft.data_type)
    if kind.is_attachment:
        if draft.file is None:
            raise InvalidFields.invalid("attachment", f"an observable of type {kind.name} is a file")
        key = content_key(draft.file.sha256)
    else:
        if draft.data is None or draft.file is not None:
            raise InvalidFields.missing("data")
        if not 1 <= len(draft.data) <= MAX_DATA:
            raise InvalidFields.invalid("data", f"a value has 1 to {MAX_DATA} characters")
        key = value_key(draft.data, case_sensitive=kind.is_case_sensitive)
    draft.key = key
    draft.sighted_at = draft.sighted_at or (now if draft.sighted else None)
    draft.tags = unique(draft.tags)
    return draft


def without_repeats(drafts: Iterable[ObservableDraft]) -> list[ObservableDraft]:
    """One draft per type and key; the tags of repeats are united (feeders send the same value twice)."""
    found: dict[tuple[str, UUID | None], ObservableDraft] = {}
    for draft in drafts:
        identity = (draft.data_type, draft.key)
        earlier = found.get(identity)
        found[identity] = replace(earlier, tags=unique([*earlier.tags, *draft.tags])) if earlier else draft
    return list(found.values())


def row(draft: ObservableDraft) -> dict[str, Any]:
    """The draft as the record that the SQL statements read."""
    file = draft.file
    return {
        "data_type": draft.data_type, "data": draft.data, "value_key": str(draft.key), "tlp": draft.tlp, "pap": draft.pap,
        "ioc": draft.ioc, "sighted": draft.sighted, "sighted_at": draft.sighted_at, "tags": draft.tags,
        "ignore_similarity": draft.ignore_similarity, "message": draft.message, "first_seen": draft.first_seen,
        "origin": draft.origin, "sha256": file.sha256.hex() if file else None, "file_name": file.name if file else None,
        "content_type": file.content_type if file else None,
    }  # fmt: skip


RECORD = (
    "o(data_type text, data text, value_key uuid, tlp text, pap text, ioc boolean, sighted boolean, sighted_at bigint,"
    " tags text[], ignore_similarity boolean, message text, first_seen bigint,"
    " origin jsonb, sha256 text, file_name text, content_type text)"
)
