"""Runs an analyzer the way cortex does: as a program in the analyzers' environment, on a job folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1]
PYTHON = FOLDER.parent / ".venvs" / "analyzers" / "bin" / "python"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(name="run")
def run_fixture(tmp_path: Path) -> Run:
    """`run("UrlParts", "url", "http://…")` or with `file=path`; gives output.json."""

    def run_analyzer(
        name: str,
        data_type: str,
        data: str | None = None,
        *,
        file: Path | None = None,
        filename: str | None = None,
        config: dict[str, Any] | None = None,
        tlp: int = 2,
    ) -> dict[str, Any]:
        flavor = json.loads((FOLDER / name / f"{name}.json").read_text())
        job = tmp_path / "job"
        shutil.rmtree(job, ignore_errors=True)
        (job / "input").mkdir(parents=True)
        (job / "output").mkdir()
        given: dict[str, Any] = {"dataType": data_type, "tlp": tlp, "pap": 2, "message": "", "parameters": {}}
        given["config"] = {**flavor["config"], **(config or {}), "auto_extract": False}
        if file is not None:
            shutil.copyfile(file, job / "input" / "attachment")
            given |= {"file": "attachment", "filename": filename or file.name, "contentType": "application/octet-stream"}
        else:
            given["data"] = data
        (job / "input" / "input.json").write_text(json.dumps(given))
        command = [str(PYTHON), str(FOLDER / flavor["command"]), str(job)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        output = job / "output" / "output.json"
        assert output.exists(), done.stderr
        result: dict[str, Any] = json.loads(output.read_text())
        return result

    return run_analyzer


def verdicts(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(t["level"], t["predicate"], str(t["value"])) for t in report["summary"]["taxonomies"]]
