"""Every shipped flavor has what the packaging format asks for, and its templates."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1]
FLAVORS = sorted(FOLDER.glob("*/*.json"))


@pytest.mark.parametrize("path", FLAVORS, ids=lambda p: p.stem)
def test_flavor(path: Path) -> None:
    flavor = json.loads(path.read_text())
    for key in ("name", "version", "author", "url", "license", "description", "command"):
        assert isinstance(flavor[key], str)
        assert flavor[key]
    assert " " not in flavor["name"]
    assert flavor["license"] == "AGPL-3.0"
    assert flavor["config"]["check_tlp"] is True
    assert flavor["dataTypeList"]
    program = FOLDER / flavor["command"]
    assert os.access(program, os.X_OK)
    assert program.read_text().startswith("#!/usr/bin/env python3\n")
    assert "AGPL-3.0" in program.read_text()[:600]
    for item in flavor["configurationItems"]:
        assert {"name", "description", "type", "multi", "required"} <= item.keys()


@pytest.mark.parametrize("path", FLAVORS, ids=lambda p: p.stem)
def test_folder_is_complete(path: Path) -> None:
    for name in ("README.md", "requirements.txt", "short.html", "long.html"):
        assert (path.parent / name).read_text().strip()


@pytest.mark.parametrize("path", FLAVORS, ids=lambda p: p.stem)
def test_long_template_shows_failures_and_has_no_script(path: Path) -> None:
    template = (path.parent / "long.html").read_text()
    assert "content.errorMessage" in template
    assert not re.search(r"<script|javascript:|ng-bind-html", template, re.IGNORECASE)


def test_requirements_are_those_of_the_lock() -> None:
    lock = (FOLDER.parent / "requirements" / "analyzers.txt").read_text()
    for path in FOLDER.glob("*/requirements.txt"):
        for line in path.read_text().splitlines():
            assert line.split("#")[0].strip() in lock
