"""docs/asyncapi.json says what the code does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from waggle.contracts.messages import MESSAGES

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_is_up_to_date() -> None:
    command = [sys.executable, "tools/asyncapi.py", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_message_has_a_sender_and_every_reference_a_target() -> None:
    document: dict[str, Any] = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    assert set(document["channels"]) == set(MESSAGES)
    senders = [name for name, operation in document["operations"].items() if operation["action"] == "send"]
    assert len(senders) == len(MESSAGES)
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [reference for value in node.values() for reference in _references(value)]
    if isinstance(node, list):
        return [reference for value in node for reference in _references(value)]
    return []
