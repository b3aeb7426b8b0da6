"""schemathesis over the three OpenAPI documents: whatever is sent, no answer is a 5xx."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from started import Started

SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
SEED = 20261124
EXAMPLES = 30
# Answers that never end, and calls that would take the key of this test away from it
PARTS = [("hive", "^/api/v1/"), ("hive", "^/(?!api/v1/)"), ("cortex", "."), ("misp-connector", ".")]
LEFT_OUT = r"stream|/logout|key|/password|/user/"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("service", "paths"), PARTS)
def test_nothing_answers_5xx(platform: Started, service: str, paths: str, tmp_path: Path) -> None:
    key = platform.credentials[service]["api_key"]
    command = [
        SCHEMATHESIS, "run", f"{platform.url(service)}/api/openapi.json",
        "--checks", "not_a_server_error", "--max-examples", str(EXAMPLES), "--seed", str(SEED),
        "--phases", "examples,fuzzing",
        "--header", f"Authorization: Bearer {key}", "--include-path-regex", paths, "--exclude-path-regex", LEFT_OUT,
        "--request-timeout", "20",
        "--suppress-health-check", "all", "--generation-database", "none", "--no-shrink", "--warnings", "off", "--no-color",
        "--continue-on-failure",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=880, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]


@pytest.mark.parametrize("service", ["hive", "cortex", "misp-connector"])
def test_the_kept_document_is_the_one_served(platform: Started, service: str) -> None:
    kept = Path(__file__).resolve().parents[2] / "docs" / "openapi" / f"{service}.json"
    served = httpx.get(f"{platform.url(service)}/api/openapi.json", timeout=30).json()
    assert json.loads(kept.read_text()) == served, "run `make openapi` and commit docs/openapi"
