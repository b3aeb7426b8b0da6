"""Zips with a password: what others open, what we open, and what is refused."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import pyzipper

from waggle.archives import PASSWORD, BadArchive, Limits, protected, unpacked


def archive(path: Path, members: dict[str, bytes], *, password: bytes | None = b"malware") -> Path:
    """An AES archive as 7-Zip makes them, or an open one."""
    options = {"encryption": pyzipper.WZ_AES} if password else {}
    with pyzipper.AESZipFile(path, "w", compression=pyzipper.ZIP_DEFLATED, **options) as made:
        if password:
            made.setpassword(password)
        for name, content in members.items():
            made.writestr(name, content)
    return path


class TestProtected:
    @pytest.mark.parametrize("name", ["invoice.exe", "Rechnung für März.pdf", "-rf.exe", "..\\a:b.exe"])
    async def test_python_opens_it_and_finds_the_very_name(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "content").write_bytes(b"MZ" * 5000)
        await protected(tmp_path / "content", tmp_path / "a.zip", name=name, password=PASSWORD)
        with zipfile.ZipFile(tmp_path / "a.zip") as opened:
            (info,) = opened.infolist()
            assert (info.orig_filename, bool(info.flag_bits & 1)) == (name, True)
            assert opened.read(info, pwd=b"malware") == b"MZ" * 5000
            with pytest.raises(RuntimeError):
                opened.read(info, pwd=b"wrong")

    async def test_info_zip_opens_it(self, tmp_path: Path) -> None:
        unzip = shutil.which("unzip")
        if unzip is None:
            pytest.skip("unzip is not installed")
        (tmp_path / "content").write_bytes(bytes(range(256)) * 3000)
        await protected(tmp_path / "content", tmp_path / "a.zip", name="sample.bin", password=PASSWORD)
        done = subprocess.run([unzip, "-P", PASSWORD, "-p", "a.zip", "sample.bin"], cwd=tmp_path, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, bytes(range(256)) * 3000)

    async def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "content").write_bytes(b"")
        await protected(tmp_path / "content", tmp_path / "a.zip", name="empty", password=PASSWORD)
        with zipfile.ZipFile(tmp_path / "a.zip") as opened:
            assert opened.read("empty", pwd=b"malware") == b""


class TestUnpacked:
    async def unpack(self, source: Path, *, password: str = PASSWORD, limits: Limits | None = None) -> dict[str, bytes]:
        folder = source.parent / "out"
        folder.mkdir()
        found = await unpacked(source, folder, password=password, limits=limits or Limits())
        assert all(one.path.parent == folder and one.size == one.path.stat().st_size for one in found)
        return {one.name: one.path.read_bytes() for one in found}

    async def test_what_we_wrote(self, tmp_path: Path) -> None:
        (tmp_path / "content").write_bytes(b"hello")
        await protected(tmp_path / "content", tmp_path / "a.zip", name="hello.txt", password="other words")
        assert await self.unpack(tmp_path / "a.zip", password="other words") == {"hello.txt": b"hello"}

    @pytest.mark.parametrize("password", [b"malware", None])
    async def test_aes_and_open_archives(self, tmp_path: Path, password: bytes | None) -> None:
        members = {"a/b/c.txt": b"1", "d.txt": b"2" * 100_000}
        assert await self.unpack(archive(tmp_path / "a.zip", members, password=password)) == members

    async def test_folders_and_links_are_left_out(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
            made.mkdir("folder")
            link = zipfile.ZipInfo("link")
            link.external_attr = 0o120777 << 16
            made.writestr(link, "/etc/passwd")
            made.writestr("../../escape.txt", b"kept in the folder under a name of our own")
        assert list(await self.unpack(tmp_path / "a.zip")) == ["../../escape.txt"]
        assert not (tmp_path.parent / "escape.txt").exists()

    async def test_a_wrong_password(self, tmp_path: Path) -> None:
        with pytest.raises(BadArchive, match="password is wrong"):
            await self.unpack(archive(tmp_path / "a.zip", {"a": b"1"}), password="guess")

    @pytest.mark.parametrize("content", [b"", b"MZ\x90", b"PK\x03\x04" + b"\0" * 200])
    async def test_what_is_no_archive(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(BadArchive, match="no zip archive"):
            await self.unpack(tmp_path / "a.zip")

    async def test_a_damaged_one(self, tmp_path: Path) -> None:
        whole = archive(tmp_path / "a.zip", {"a": b"abc" * 10_000}, password=None).read_bytes()
        (tmp_path / "a.zip").write_bytes(whole[:40] + bytes(40) + whole[80:])
        with pytest.raises(BadArchive):
            await self.unpack(tmp_path / "a.zip")

    async def test_too_many_files(self, tmp_path: Path) -> None:
        with pytest.raises(BadArchive, match="more than 3 files"):
            await self.unpack(archive(tmp_path / "a.zip", {str(n): b"" for n in range(4)}), limits=Limits(count=3))

    async def test_too_many_bytes(self, tmp_path: Path) -> None:
        with pytest.raises(BadArchive, match="more than is allowed"):
            await self.unpack(archive(tmp_path / "a.zip", {"a": b"x" * 5000}), limits=Limits(size=4000))

    async def test_a_bomb_is_stopped_by_its_ratio(self, tmp_path: Path) -> None:
        bomb = archive(tmp_path / "a.zip", {"a": bytes(30 << 20)}, password=None)
        assert bomb.stat().st_size < 100_000
        with pytest.raises(BadArchive, match="more than is allowed"):
            await self.unpack(bomb)

    async def test_sizes_that_an_archive_claims_are_not_believed(self, tmp_path: Path) -> None:
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("a", bytes(3 << 20))
        honest = raw.getvalue()
        (tmp_path / "a.zip").write_bytes(honest.replace((3 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")))
        with pytest.raises(BadArchive):
            await self.unpack(tmp_path / "a.zip")
