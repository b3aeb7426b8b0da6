"""Contents of files, stored once by their SHA-256, over one interface: local disk or S3."""

from waggle.blobs.store import Blob, BlobMissing, BlobStore, open_store

__all__ = ["Blob", "BlobMissing", "BlobStore", "open_store"]
