"""The published test-suite of thehive4py 2.1.0, unchanged, against `waggle up hive` on an empty database."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from started import started

REPOSITORY = Path(__file__).parents[2]
PINNED = "thehive4py==2.1.0 --hash=sha256:34b917672329368030eb0b5789078522c893e1e988e648446662e3841595f6cd\n"
# Its authors' fixtures want a second organisation there, which the licence of the product they test against does not allow.
SKIPPED = {"test_share_and_unshare", "test_share_and_remove_share", "test_share_and_set_share"}


def _interpreter() -> str:
    found = REPOSITORY / ".venvs" / "client-thehive4py-suite" / "bin" / "python"
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{found} is missing: run `make setup-dev`")
        pytest.skip(f"{found} is missing: run `make setup-dev`")
    return str(found)


def _source_distribution() -> Path:
    """The pinned source distribution, from the cache or fetched now."""
    cache = REPOSITORY / ".cache" / "thehive4py"
    cache.mkdir(parents=True, exist_ok=True)
    wanted = cache / "thehive4py-2.1.0.tar.gz"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.exists():
            (cache / "pinned.txt").write_text(PINNED)
            pip = [str(REPOSITORY / ".cache" / "uv" / "bin" / "python"), "-m", "pip", "download", "--quiet"]
            options = ["--no-deps", "--no-binary", "thehive4py", "--require-hashes", "-r", "pinned.txt", "--dest", "."]
            subprocess.run([*pip, *options], cwd=cache, check=True, timeout=100)
    return wanted


def _unpacked(folder: Path) -> Path:
    """`tests/` and `examples/` alone: beside the package's source they would test that instead of the installed release."""
    with tarfile.open(_source_distribution()) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later
        archive.extractall(folder)
    root = folder / "suite"
    for name in ("tests", "examples"):
        shutil.move(folder / "thehive4py-2.1.0" / name, root / name)
    shutil.rmtree(folder / "thehive4py-2.1.0")
    return root


@pytest.mark.timeout(600)
def test_the_published_suite_passes(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    _unpacked(tmp_path)
    report = tmp_path / "report.xml"
    with started(tmp_path / "home", "hive", HIVE_ADMIN_PASSWORD="secret") as running:
        environment = {**os.environ, "HIVE_URL": running.url("hive"), "PYTHONPATH": str(Path(__file__).parent)}
        command = [_interpreter(), "-m", "pytest", "-p", "hive_at", "-p", "no:cacheprovider", f"--junitxml={report}", "-q"]
        done = subprocess.run(
            [*command, "--timeout=60", "--tb=short"], cwd=suite, env=environment, capture_output=True, text=True, timeout=500
        )
    assert report.exists(), done.stdout[-5000:] + done.stderr[-5000:]
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = [str(case.get("name")) for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = {str(case.get("name")) for case in cases if case.find("skipped") is not None}
    assert failed == [], done.stdout[-20_000:]
    assert skipped == SKIPPED
    assert len(cases) == 183
