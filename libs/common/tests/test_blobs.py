"""Blob stores: one behaviour on disk and on S3 (moto's server on loopback)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from waggle.blobs import BlobMissing, BlobStore, open_store

CONTENT = b"waggle" * 500_000


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    if request.param == "local":
        return open_store(str(tmp_path / "blobs"))
    import boto3

    endpoint = request.getfixturevalue("s3")
    given = {"AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    for name, value in {**given, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="waggle")
    return open_store("s3://waggle/blobs")


async def chunks() -> AsyncIterator[bytes]:
    for start in range(0, len(CONTENT), 100_000):
        yield CONTENT[start : start + 100_000]


async def read(store: BlobStore, sha256: str) -> bytes:
    return b"".join([chunk async for chunk in store.open(sha256)])


async def test_a_stream_is_stored_under_its_hash(store: BlobStore, tmp_path: Path) -> None:
    blob = await store.put(chunks())
    assert blob.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (blob.size, blob.md5) == (len(CONTENT), hashlib.md5(CONTENT).hexdigest())
    assert await read(store, blob.sha256) == CONTENT
    await store.copy_to(blob.sha256, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


async def test_bytes_and_files_give_the_same_blob(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    assert await store.put(CONTENT) == await store.put(tmp_path / "file")


async def test_a_deleted_blob_is_missing(store: BlobStore) -> None:
    blob = await store.put(b"gone soon")
    await store.delete(blob.sha256)
    with pytest.raises(BlobMissing):
        await read(store, blob.sha256)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63])
async def test_what_is_no_hash_is_never_a_path(store: BlobStore, name: str) -> None:
    with pytest.raises(BlobMissing):
        await read(store, name)
