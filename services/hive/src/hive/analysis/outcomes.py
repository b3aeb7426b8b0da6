"""How a run ended, in our words: what the messages of our cortex and the answers of any other are turned into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hive.attachments.files import StoredFile

ENDED = frozenset({"Success", "Failure", "Deleted"})
INLINE_REPORT = 256 * 1024
MAX_ARTIFACTS = 5000
MAX_OPERATIONS = 100


@dataclass(frozen=True, slots=True)
class FoundArtifact:
    """What a report found: a text or a stored file."""

    data_type: str
    data: str | None = None
    file: StoredFile | None = None
    tlp: str | None = None
    tags: Sequence[str] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run. `report_sha256`: the stored content of a report too long for the row. `words`: what it is found by."""

    status: str
    error: str | None = None
    verdicts: Sequence[Mapping[str, str]] = ()
    report: Any = None
    report_sha256: bytes | None = None
    words: str = ""
    artifacts: Sequence[FoundArtifact] = ()
    operations: Sequence[Mapping[str, Any]] = ()
    cortex_job_id: str | None = None
