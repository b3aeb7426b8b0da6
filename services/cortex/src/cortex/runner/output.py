"""Reads what an analyzer left in `output/`, leniently: contracts/cortex.md §4.6.

Only a report that cannot be one at all fails the job. An artifact that cannot be used is left out; a report is worth more
than one bad artifact.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from cortex.markings import TLP_WORDS
from cortex.runner.job import Artifact, Failure, OutputFile, Report
from cortex.runner.verdict import verdict_of
from cortex.secrets import Scrubber

DEFAULT_TLP = "AMBER"
LEVELS = ("info", "safe", "suspicious", "malicious")
FORBIDDEN_IN_NAMES = str.maketrans(dict.fromkeys('/\\\n\r\t\x00\x0c`?*<>|":;', "_"))
MAX_ARTIFACTS = 10_000
MAX_NAME = 255


class NoOutput(Exception):
    """There is no `output.json`, or it is empty."""


class InvalidOutput(Exception):
    """`output.json` is not what the contract asks for; the text says why."""


def _read(path: Path, limit: int) -> bytes:
    """The bytes of a regular file: never through a link, never waiting on a pipe the analyzer has put there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NoOutput from None
    except OSError as error:
        raise InvalidOutput(f"output.json cannot be read: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidOutput("output.json is not a regular file")
        if found.st_size > limit:
            raise InvalidOutput(f"output.json has {found.st_size} bytes, the limit is {limit} (CORTEX_MAX_REPORT_MIB)")
        return file.read(limit)


def _parse(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        raise NoOutput
    try:
        value = json.loads(raw)
    except RecursionError:
        raise InvalidOutput("output.json is nested too deeply") from None
    except ValueError as error:  # also UnicodeDecodeError
        raise InvalidOutput(f"output.json is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidOutput("output.json holds no JSON object")
    return value


def _error_text(value: Any) -> str:
    """Published responders pass numbers and objects as `errorMessage`."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def read_output(folder: Path, scrubber: Scrubber, *, max_bytes: int) -> Report | Failure:
    """The report in `folder`/output. Raises NoOutput and InvalidOutput."""
    output = folder / "output"
    if output.is_symlink():
        raise InvalidOutput("the folder output has been replaced by a link")
    raw = _parse(_read(output / "output.json", max_bytes))
    try:
        value = scrubber.value(raw)
    except RecursionError:
        raise InvalidOutput("output.json is nested too deeply") from None
    if value.get("success") is not True:
        text = _error_text(value.get("errorMessage")) or "The worker reported a failure without a message."
        given = value.get("input")
        return Failure(text, given if isinstance(given, dict) else None)
    full = value.get("full")
    if not isinstance(full, dict):
        raise InvalidOutput("the field full is missing or not an object")
    operations = value.get("operations")
    summary = _summary(value.get("summary"))
    return Report(
        summary=summary,
        verdict=verdict_of(summary, full),
        full=full,
        operations=[o for o in operations if isinstance(o, dict)] if isinstance(operations, list) else [],
        artifacts=_artifacts(value.get("artifacts"), output),
    )


def _summary(value: Any) -> dict[str, Any]:
    """The summary with its verdict lines in the form TheHive reads: it rejects other levels and nested values."""
    if not isinstance(value, dict):
        return {}
    lines = value.get("taxonomies")
    if not isinstance(lines, list):
        return {name: item for name, item in value.items() if name != "taxonomies"}
    return {**value, "taxonomies": [_verdict(line) for line in lines if isinstance(line, dict)]}


def _verdict(line: dict[str, Any]) -> dict[str, Any]:
    value = line.get("value")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        value = _error_text(value)
    return {
        "level": line.get("level") if line.get("level") in LEVELS else "info",
        "namespace": str(line.get("namespace", "")),
        "predicate": str(line.get("predicate", "")),
        "value": value,
    }


def _artifacts(value: Any, output: Path) -> list[Artifact]:
    """One element that is no object voids the list: cortexutils yields null for a file that was not there."""
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        return []
    found = (_artifact(item, output) for item in value[:MAX_ARTIFACTS])
    return [artifact for artifact in found if artifact is not None]


def _artifact(item: dict[str, Any], output: Path) -> Artifact | None:
    data_type = item.get("dataType")
    if not isinstance(data_type, str) or not data_type:
        return None
    file, data = None, None
    if data_type == "file":
        file = _file(item, output)
    else:
        data = _data(item.get("data"))
    if file is None and data is None:
        return None
    tlp, tags, message = item.get("tlp"), item.get("tags"), item.get("message")
    return Artifact(
        data_type=data_type,
        data=data,
        file=file,
        tlp=TLP_WORDS[tlp] if type(tlp) is int and 0 <= tlp < len(TLP_WORDS) else ("RED" if tlp == 4 else DEFAULT_TLP),
        tags=[str(tag) for tag in tags if isinstance(tag, str | int | float)] if isinstance(tags, list) else [],
        message=None if message is None else _error_text(message),
    )


def _data(value: Any) -> str | None:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return value if isinstance(value, str) and value else None


def safe_name(name: str) -> str:
    """A file name without the characters the download route refuses, never a path."""
    return name.translate(FORBIDDEN_IN_NAMES).strip(" .")[:MAX_NAME] or "file"


def _file(item: dict[str, Any], output: Path) -> OutputFile | None:
    """A regular file directly inside `output/`; anything else is not taken."""
    stored, name = item.get("file"), item.get("filename")
    if not isinstance(stored, str) or not isinstance(name, str) or not stored or "/" in stored or stored in (".", ".."):
        return None
    path = output / stored
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
    except (OSError, ValueError):
        return None
    content_type = item.get("contentType")
    return OutputFile(path, safe_name(name), content_type if isinstance(content_type, str) else "application/octet-stream")
