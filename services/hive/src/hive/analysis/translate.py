"""What a remote Cortex answers, in our words. Nothing of it is trusted to have the form it should."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import structlog

from hive.analysis.models import Worker
from hive.analysis.outcomes import MAX_ARTIFACTS, FoundArtifact, Outcome
from hive.analysis.remote import RemoteCortex, RemoteFailed, RemoteGarbled
from hive.analysis.reports import kept, storable, words
from hive.attachments.files import store
from hive.platform import Hive
from waggle.contracts.vocabulary import verdict_level

log = structlog.get_logger(__name__)
NUMBERS = {0: "CLEAR", 1: "GREEN", 2: "AMBER", 3: "RED"}
FILE_ID = re.compile(r"[\w.~-]{1,200}", re.ASCII)


async def outcome(hive: Hive, remote: RemoteCortex, found: dict[str, Any]) -> Outcome:
    """A remote job that ended, with its report."""
    report = _object(storable(found.get("report")))
    if found["status"] != "Success" or not report.get("success", True):
        said = report.get("errorMessage") or storable(found.get("errorMessage"))
        return Outcome("Failure", str(said or f"the worker ended as {found['status']}")[:10_000])
    body, sha256 = await kept(hive, report.get("full"))
    listed = [one for one in _list(report.get("artifacts"))[:MAX_ARTIFACTS] if isinstance(one, dict)]
    artifacts = [await _artifact(hive, remote, one) for one in listed]
    return Outcome(
        "Success", verdicts=[_verdict(line) for line in _list(_object(report.get("summary")).get("taxonomies"))], report=body,
        report_sha256=sha256, words=words(report.get("full")), artifacts=[one for one in artifacts if one is not None],
        operations=[one for one in _list(report.get("operations")) if isinstance(one, dict)],
    )  # fmt: skip


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _verdict(line: Any) -> dict[str, str]:
    given = _object(line)
    texts = {name: str(given.get(name, "")) for name in ("namespace", "predicate", "value")}
    return {"level": verdict_level(given.get("level")), **texts}


async def _artifact(hive: Hive, remote: RemoteCortex, one: dict[str, Any]) -> FoundArtifact | None:
    data, data_type, message = one.get("data"), one.get("dataType"), one.get("message")
    if not isinstance(data_type, str) or not data_type:
        return None
    tlp = one.get("tlp")
    word = NUMBERS.get(tlp, "RED") if isinstance(tlp, int) and not isinstance(tlp, bool) else None
    tags = [str(tag) for tag in _list(one.get("tags"))]
    shown = str(message) if message is not None else None
    if isinstance(data, str) and data:
        return FoundArtifact(data_type=data_type, data=data, tlp=word, tags=tags, message=shown)
    attachment = _object(one.get("attachment"))
    file_id = attachment.get("id")
    if not isinstance(file_id, str) or not FILE_ID.fullmatch(file_id):
        return None
    try:
        name, kind = str(attachment.get("name") or "unnamed"), attachment.get("contentType")
        limit = hive.settings.max_attachment
        file = await store(
            hive.blobs, hive.database, lambda: _fetched(remote, file_id, limit), name=name,
            content_type=kind if isinstance(kind, str) else None,
        )  # fmt: skip
    except (RemoteFailed, RemoteGarbled, httpx.HTTPError) as error:
        log.warning("cortex_file_not_fetched", file=file_id, error=str(error))
        return None
    return FoundArtifact(data_type=data_type, file=file, tlp=word, tags=tags, message=shown)


async def _fetched(remote: RemoteCortex, file_id: str, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async with remote.file(file_id) as content:
        async for chunk in content:
            size += len(chunk)
            if size > limit:
                raise RemoteFailed(f"a file of a report is over the limit of {limit} bytes")
            yield chunk


def worker(one: dict[str, Any], kind: str) -> Worker | None:
    """An entry of a server's list; None for what has no id."""
    if not isinstance(one.get("id"), str) or not one["id"]:
        return None
    return Worker(
        worker_id=one["id"], name=str(storable(one.get("name")) or one["id"]), version=str(one.get("version") or ""),
        description=str(storable(one.get("description")) or ""), kind=kind,
        data_types=[str(t) for t in _list(one.get("dataTypeList"))], max_tlp=_limit(one, "maxTlp", "max_tlp"),
        max_pap=_limit(one, "maxPap", "max_pap"),
    )  # fmt: skip


def _limit(one: dict[str, Any], name: str, configured: str) -> str | None:
    """Cortex numbers markings 0 to 3, 3 being RED. A limit stands in the worker or, if its check is on, in the configuration."""
    configuration = _object(one.get("configuration"))
    value = one.get(name)
    if value is None and configuration.get(configured.replace("max_", "check_")):
        value = configuration.get(configured)
    return NUMBERS.get(value) if isinstance(value, int) and not isinstance(value, bool) else None
