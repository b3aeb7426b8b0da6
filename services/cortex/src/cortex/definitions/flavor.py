"""A flavor file: contracts/cortex.md §5.1. Reads what is published, including its small mistakes; refuses what cannot work."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cortex.secrets import Scrubber

REQUIRED = ("name", "version", "description", "author", "url", "license")
ITEM_TYPES = ("string", "text", "number", "boolean")
MAX_FLAVOR_BYTES = 5 << 20
MAX_CATALOG_BYTES = 32 << 20
USABLE_NAME = re.compile(r"[^\s/\\\x00-\x1f]{1,200}")


class FlavorError(Exception):
    """The file holds no usable flavor; the text says why."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """One definition. `command` is absolute; `root` the folder it is relative to; `problem` why it cannot be run as it is."""

    kind: str
    name: str
    version: str
    source: str
    description: str = ""
    author: str = ""
    url: str = ""
    license: str = ""
    data_types: list[str] = field(default_factory=list)
    command: str | None = None
    root: str | None = None
    docker_image: str | None = None
    base_config: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    network: str | list[str] | None = None
    """Ours: "none" or the hosts that it calls; None = it does not say. Other engines ignore the key."""
    misp_module: dict[str, Any] | None = None
    """What is asked of a misp-modules server; no program is started then."""
    problem: str | None = None

    @property
    def id(self) -> str:
        return f"{self.name}_{self.version}".replace(".", "_")


def read_file(path: Path) -> list[dict[str, Any]]:
    """The objects of a flavor or catalog file. Raises FlavorError."""
    try:
        if path.stat().st_size > MAX_FLAVOR_BYTES:
            raise FlavorError(f"the file is over {MAX_FLAVOR_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise FlavorError(f"cannot be read: {error.strerror}") from None
    return objects_of(content)


def objects_of(content: bytes) -> list[dict[str, Any]]:
    """The objects of a flavor or a catalog. Raises FlavorError."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FlavorError(f"is not JSON: {error}") from None
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, dict)]
    raise FlavorError("holds neither a JSON object nor a list of them")


def parse(raw: dict[str, Any], *, kind: str, source: Path | str) -> Flavor:
    """A definition from its JSON object; `source` is its file, or the URL of its catalog. Raises FlavorError where a required
    field is missing."""
    try:
        raw = Scrubber({}).value(raw)
    except RecursionError:
        raise FlavorError("is nested too deeply") from None
    if missing := [name for name in REQUIRED if not isinstance(raw.get(name), str)]:
        raise FlavorError(f"these fields are missing or no text: {', '.join(missing)}")
    for name in ("name", "version"):
        if not USABLE_NAME.fullmatch(raw[name]):
            raise FlavorError(f"{name} is empty or has blanks or slashes in it: {raw[name]!r}")
    root = None if isinstance(source, str) else source.parent.parent
    command, problem = _remote(raw) if root is None else _command(raw.get("command"), root)
    image = raw.get("dockerImage") if isinstance(raw.get("dockerImage"), str) else None
    if image and root is not None and problem:  # what cannot be started here is in the image
        command, problem = None, None
    return Flavor(
        kind=kind,
        name=raw["name"],
        version=raw["version"],
        source=str(source),
        description=raw["description"],
        author=raw["author"],
        url=raw["url"],
        license=raw["license"],
        data_types=[t for t in _list(raw.get("dataTypeList")) if isinstance(t, str)],
        command=command,
        root=None if root is None else str(root),
        docker_image=image,
        base_config=raw.get("baseConfig") if isinstance(raw.get("baseConfig"), str) else None,
        config=raw["config"] if isinstance(raw.get("config"), dict) else {},
        items=_items(raw.get("configurationItems")),
        network=_network(raw.get("network")),
        problem=problem,
    )


def _network(value: Any) -> str | list[str] | None:
    if isinstance(value, list) and all(isinstance(host, str) and host for host in value):
        return value
    return "none" if value == "none" else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _remote(raw: dict[str, Any]) -> tuple[None, str | None]:
    """What is wrong with an entry of a catalog on the network: nobody out there names programs to start here."""
    if raw.get("command"):
        return None, "a catalog on the network may not name a command"
    if not isinstance(raw.get("dockerImage"), str):
        return None, "it names no docker image"
    return None, None


def _command(value: Any, root: Path) -> tuple[str | None, str | None]:
    """The absolute command and what is wrong with it. One that leaves the folder is dropped: it names somebody else's program."""
    if not isinstance(value, str) or not value:
        return None, "the flavor names neither a command nor a docker image"
    path = (root / value).resolve()
    if not path.is_relative_to(root.resolve()):
        return None, f"its command {value} lies outside of {root}"
    if not path.is_file() and (root / value.split()[-1]).is_file():
        return str(path), f"its command is a command line and no path: {value}. Name the program alone and make it executable"
    if not path.is_file():
        return str(path), f"its command is not there: {path}"
    return str(path), None


def _items(value: Any) -> list[dict[str, Any]]:
    """The configuration items; a malformed list is taken as empty, a malformed item left out."""
    found = []
    for item in _list(value):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or item.get("type") not in ITEM_TYPES:
            continue
        shown: dict[str, Any] = {
            "name": item["name"],
            "description": item["description"] if isinstance(item.get("description"), str) else "",
            "type": item["type"],
            "multi": item.get("multi") is True,
            "required": item.get("required") is True,
        }
        if item.get("defaultValue") is not None:
            shown["defaultValue"] = item["defaultValue"]
        found.append(shown)
    return found
