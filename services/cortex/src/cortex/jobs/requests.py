"""What is asked of a worker, and how it is told from another request: cache tags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from cortex.markings import TLP_NUMBERS
from waggle.blobs import Blob
from waggle.contracts.vocabulary import Pap, Tlp


@dataclass(frozen=True, slots=True)
class File:
    """A file whose content is stored, under the caller's name for it."""

    blob: Blob
    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run of a worker on one value, file or (responders) object. `data` of a responder is JSON text."""

    data_type: str
    data: str | None
    file: File | None
    tlp: Tlp
    pap: Pap
    message: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    label: str | None = None
    force: bool = False
    priority: int = 0
    """Higher goes first: somebody waits on the line for it."""
    deadline: int | None = None
    """After this time (ms) nobody wants the answer: a job that still waits ends, one that runs is stopped."""


def cache_tag(worker_id: str, request: RunRequest) -> bytes:
    """Equal for requests that one report answers: contracts/cortex.md §4.2. PAP and message are not in it."""
    content = request.file.blob.sha256 if request.file else request.data or ""
    parameters = orjson.dumps(request.parameters).decode()
    text = f"{worker_id}|{request.data_type}|{TLP_NUMBERS[request.tlp]}|{content}|{parameters}"
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).digest()
