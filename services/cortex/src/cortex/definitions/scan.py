"""The scan of the configured folders. A flaw is a row that says what is wrong with which file, not a line in a log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.definitions.flavor import Flavor, FlavorError, parse, read_file

log = structlog.get_logger(__name__)

_UPSERT = text("""
INSERT INTO definitions (kind, id, name, flavor_version, description, author, url, license, data_types, command, root,
  docker_image, base_config, config, items, source, readable_error, network, seen_at, gone_at)
VALUES (:kind, :id, :name, :flavor_version, :description, :author, :url, :license, :data_types, :command, :root,
  :docker_image, :base_config, CAST(:config AS jsonb), CAST(:items AS jsonb), :source, :readable_error,
  CAST(:network AS jsonb), now(), NULL)
ON CONFLICT (kind, id) DO UPDATE SET name = EXCLUDED.name, flavor_version = EXCLUDED.flavor_version,
  description = EXCLUDED.description, author = EXCLUDED.author, url = EXCLUDED.url, license = EXCLUDED.license,
  data_types = EXCLUDED.data_types, command = EXCLUDED.command, root = EXCLUDED.root, docker_image = EXCLUDED.docker_image,
  base_config = EXCLUDED.base_config, config = EXCLUDED.config, items = EXCLUDED.items, source = EXCLUDED.source,
  readable_error = EXCLUDED.readable_error, network = EXCLUDED.network, seen_at = now(), gone_at = NULL
""")
_GONE = text("UPDATE definitions SET gone_at = now() WHERE seen_at < now() AND gone_at IS NULL")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where definitions come from: folders (every sub-folder's `*.json`, not deeper) or catalog files, by kind."""

    analyzers: list[str]
    responders: list[str]

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        for kind, places in (("analyzer", self.analyzers), ("responder", self.responders)):
            for place in places:
                yield kind, Path(place).absolute()


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("*/*.json")) if place.is_dir() else [place]


def _unreadable(kind: str, path: Path, problem: str) -> Flavor:
    """The row of a file that holds no flavor; its id cannot be that of a flavor."""
    name = f"{path.parent.name}/{path.name}"
    version = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return Flavor(kind=kind, name=name, version=version, source=str(path), problem=problem)


def read_flavors(sources: Sources) -> list[Flavor]:
    """Every definition of the sources, flawed ones with their `problem`. The same id twice: the last one is taken."""
    found: dict[tuple[str, str], Flavor] = {}
    for kind, place in sources:
        for path in _files(place):
            for flavor in _read(kind, path):
                found[kind, flavor.id] = flavor
    return list(found.values())


def _read(kind: str, path: Path) -> Iterator[Flavor]:
    try:
        objects = read_file(path)
    except FlavorError as error:
        yield _unreadable(kind, path, str(error))
        return
    for raw in objects:
        try:
            yield parse(raw, kind=kind, source=path)
        except FlavorError as error:
            yield _unreadable(kind, path, str(error))


def _row(flavor: Flavor) -> dict[str, Any]:
    return {
        "kind": flavor.kind,
        "id": flavor.id,
        "name": flavor.name,
        "flavor_version": flavor.version,
        "description": flavor.description,
        "author": flavor.author,
        "url": flavor.url,
        "license": flavor.license,
        "data_types": flavor.data_types,
        "command": flavor.command,
        "root": flavor.root,
        "docker_image": flavor.docker_image,
        "base_config": flavor.base_config,
        "config": orjson.dumps(flavor.config).decode(),
        "items": orjson.dumps(flavor.items).decode(),
        "source": flavor.source,
        "readable_error": flavor.problem,
        "network": None if flavor.network is None else orjson.dumps(flavor.network).decode(),
    }


async def store(session: AsyncSession, flavors: list[Flavor]) -> None:
    """Makes the table show these definitions; others are marked as gone, their enabled workers stay."""
    for flavor in flavors:
        if flavor.problem:
            log.warning("definition_unusable", source=flavor.source, problem=flavor.problem)
        await session.execute(_UPSERT, _row(flavor))
    await session.execute(_GONE)
