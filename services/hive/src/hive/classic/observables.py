"""Observables as classic clients describe them, in alerts and in cases."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hive.acting import Acting
from hive.attachments import service as attachments
from hive.attachments.files import StoredFile, store
from hive.catalogue import Catalogue, ObservableKind
from hive.classic.preparing import spelled
from hive.classic.reading import Body
from hive.observables.drafts import MAX_DATA, ObservableDraft, checked
from hive.observables.models import Observable
from waggle.blobs.store import SHA256
from waggle.errors import InvalidFields, NotFound
from waggle.ids import now_ms

OTHER = "other"


def type_names(bodies: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(one.get("dataType", ""))[:64] for one in bodies}


def _kind(name: str, catalogue: Catalogue) -> tuple[ObservableKind, list[str]]:
    """The type; what is not known is kept as `other` with its name in a tag, so that no alert is lost for it."""
    known = catalogue.types.get(spelled(name))
    return (known, []) if known is not None else (catalogue.kind(OTHER), [f"type:{name}"[:128]])


async def drafts_of(
    acting: Acting, given: Mapping[str, Any], catalogue: Catalogue, *, files: Sequence[StoredFile] = ()
) -> list[ObservableDraft]:
    """The observables one classic description stands for; none where it holds nothing usable.

    Raises InvalidFields for what cannot be read.
    """
    body = Body(given)
    name = body.need("dataType", limit=64)
    kind, extra = _kind(name, catalogue)
    tlp, unknown = body.tlp()
    common = ObservableDraft(
        data_type=kind.name, tlp=tlp or "AMBER", ioc=body.flag("ioc") or False, sighted=body.flag("sighted") or False,
        ignore_similarity=body.flag("ignoreSimilarity") or False, message=body.text("message"),
        tags=[*(body.texts("tags") or []), *extra, *(["tlp:unknown"] if unknown else [])],
    )  # fmt: skip
    if kind.is_attachment:
        stored = [*files, *(await _files(acting, body))]
        drafts = [replace(common, file=file) for file in stored]
    else:
        drafts = [replace(common, data=value) for value in _values(given.get("data"))]
    return [checked(draft, catalogue, now=now_ms()) for draft in drafts]


def _values(data: Any) -> list[str]:
    listed = data if isinstance(data, list) else [data]
    texts = [str(one).strip() for one in listed if isinstance(one, str | int | float) and not isinstance(one, bool)]
    values = [value for value in texts if value]
    if any(len(value) > MAX_DATA for value in values):
        raise InvalidFields.invalid("data", f"a value has at most {MAX_DATA} characters")
    return list(dict.fromkeys(values))


async def _files(acting: Acting, body: Body) -> list[StoredFile]:
    """Files given in the body: `name;type;base64` in `data`, or one that is in the datastore already."""
    data = body.values.get("data")
    listed = data if isinstance(data, list) else [data]
    found = [await _inline(acting, one) for one in listed if isinstance(one, str) and one]
    attached = body.values.get("attachment")
    for one in attached if isinstance(attached, list) else [attached]:
        if isinstance(one, dict) and SHA256.fullmatch(str(one.get("id"))):
            found.extend(await _stored(acting, one))
    return found


async def _stored(acting: Acting, attached: Mapping[str, Any]) -> list[StoredFile]:
    """A file that is in the datastore already; of another server's (thehivebackup) the observable is made without it."""
    name, kind = str(attached.get("name") or "unnamed"), attached.get("contentType")
    try:
        async with acting.read() as session:
            content_type = kind if isinstance(kind, str) else None
            return [await attachments.existing(session, attached["id"], name=name, content_type=content_type)]
    except NotFound:
        return []


async def _inline(acting: Acting, text: str) -> StoredFile:
    parts = text.split(";", 2)
    if len(parts) < 2:
        raise InvalidFields.invalid("data", "a file is name;type;base64")
    try:
        content = base64.b64decode(parts[2] if len(parts) == 3 else "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFields.invalid("data", "the third part is not base64") from None
    return await store(acting.hive.blobs, acting.hive.database, content, name=parts[0], content_type=parts[1])


def changes_of(body: Body, current: Observable) -> dict[str, Any]:
    """The patchable fields of an observable; a TLP of 3 on what was shown as 3 changes nothing."""
    changes: dict[str, Any] = {}
    for name, column in (("ioc", "ioc"), ("sighted", "sighted"), ("ignoreSimilarity", "ignore_similarity")):
        if (flag := body.flag(name)) is not None:
            changes[column] = flag
    if (tags := body.texts("tags")) is not None:
        changes["tags"] = tags
    if body.has("message"):
        changes["message"] = body.text("message")
    if (data_type := body.text("dataType", limit=64)) is not None:
        changes["data_type"] = data_type
    tlp, _ = body.tlp()
    if tlp is not None and not (tlp == "RED" and current.tlp == "AMBER+STRICT"):
        changes["tlp"] = tlp
    return changes
