"""Contents of files, stored once by their SHA-256, over one interface: local disk or S3."""

from waggle.blobs.opening import open_store
from waggle.blobs.store import Blob, BlobMissing, BlobStore

__all__ = ["Blob", "BlobMissing", "BlobStore", "open_store"]
