"""Pictures of organisations: small, of a kind a browser shows as nothing but a picture."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from hive.attachments.files import store
from hive.platform import Hive
from waggle.errors import InvalidFields

MAX_BYTES = 512 * 1024
DATA_URL = re.compile(r"data:image/[\w.+-]{1,32};base64,", re.ASCII)
# By their first bytes; SVG is left out, for it can hold scripts.
KINDS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def _decoded(sent: str) -> tuple[bytes, str]:
    try:
        content = base64.b64decode(DATA_URL.sub("", sent, count=1), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidFields.invalid("avatar", "a picture in base64, or a data: URL of one") from None
    if len(content) > MAX_BYTES:
        raise InvalidFields.invalid("avatar", f"at most {MAX_BYTES // 1024} kB")
    for start, kind in KINDS:
        if content.startswith(start):
            return content, kind
    raise InvalidFields.invalid("avatar", "a PNG, JPEG or GIF picture")


async def stored_avatar(hive: Hive, sent: str | None) -> dict[str, Any]:
    """The columns for a picture sent as base64; cleared for none. Raises InvalidFields."""
    if not sent:
        return {"avatar_sha256": None, "avatar_type": None}
    content, kind = _decoded(sent)
    file = await store(hive.blobs, hive.database, content, name="avatar", content_type=kind)
    return {"avatar_sha256": file.sha256, "avatar_type": kind}
