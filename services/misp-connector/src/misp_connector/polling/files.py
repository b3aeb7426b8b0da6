"""The files of an event, one at a time: fetched, checked, stored, and named for the mapping. Samples are never unpacked."""

from __future__ import annotations

import base64
import binascii
import io
import mimetypes
import re
import zipfile
from collections.abc import Awaitable, Callable

from misp_connector.instances.config import Options
from misp_connector.mapping.event import Attribute, Event
from misp_connector.mapping.model import MissingFile, StoredFile
from misp_connector.mapping.observables import holds_file
from misp_connector.polling.threads import in_thread
from misp_connector.sources.source import EventUnreadable, Source

_MD5 = re.compile(r"[0-9a-f]{32}")
_MEBIBYTE = 1 << 20


async def collect_files(
    event: Event, *, source: Source, options: Options, store: Callable[[bytes], Awaitable[str]]
) -> dict[str, StoredFile | MissingFile]:
    """By attribute uuid. `store` keeps a content and gives its hash. Raises what the source raises, EventUnreadable aside:

    an attachment that cannot be read becomes a MissingFile, and the event goes on.
    """
    found: dict[str, StoredFile | MissingFile] = {}
    for attribute, _ in event.members():
        if holds_file(attribute):
            found[attribute.uuid] = await _file(attribute, source, options, store)
    return found


async def _file(
    attribute: Attribute, source: Source, options: Options, store: Callable[[bytes], Awaitable[str]]
) -> StoredFile | MissingFile:
    try:
        encoded = attribute.data or await in_thread(source.attachment, attribute.uuid)
    except EventUnreadable as error:
        return MissingFile(str(error))
    if encoded is None:
        return MissingFile("the source has no content for it")
    if len(encoded) * 3 // 4 > options.max_attachment_size + 3:
        return MissingFile(
            f"{len(encoded) * 3 / 4 / _MEBIBYTE:.1f} MiB, over the limit of {options.max_attachment_size / _MEBIBYTE:.1f} MiB"
        )
    try:
        content = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return MissingFile("its content is no base64")
    sha256 = await store(content)
    name, content_type, note = describe_file(attribute, content)
    return StoredFile(name=name, content_type=content_type, size=len(content), sha256=sha256, note=note)


def describe_file(attribute: Attribute, content: bytes) -> tuple[str, str, str]:
    """Name, content type and a note. A sample stays in MISP's archive, `<name>.zip`, password `infected`.

    The MD5 in the attribute's value and the one the archive is named by may differ; both are then said.
    """
    if attribute.type != "malware-sample":
        name = attribute.value.strip() or attribute.uuid
        return name, mimetypes.guess_type(name)[0] or "application/octet-stream", ""
    name, _, md5 = attribute.value.rpartition("|")
    inner = _archived_md5(content)
    if inner is None:
        return name or attribute.value, "application/octet-stream", "the sample is not in an archive"
    differs = f", not {md5} as the attribute says" if md5.strip().lower() != inner else ""
    return f"{name or attribute.value}.zip", "application/zip", f"zip, password infected, holds MD5 {inner}{differs}"


def _archived_md5(content: bytes) -> str | None:
    """The MD5 that names the sample inside MISP's archive, read from the archive's directory alone."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return None
    return next((name for name in names if _MD5.fullmatch(name)), None)
