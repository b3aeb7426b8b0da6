"""Which storage a setting names."""

from __future__ import annotations

from pathlib import Path

from waggle.blobs.local import LocalBlobs
from waggle.blobs.store import BlobStore


def open_store(location: str) -> BlobStore:
    """`location`: a folder, or `s3://bucket/prefix` with the usual AWS_* environment (endpoint and keys)."""
    if location.startswith("s3://"):
        from waggle.blobs.s3 import S3Blobs  # its client is loaded only where it is used

        return S3Blobs(location)
    return LocalBlobs(Path(location))
