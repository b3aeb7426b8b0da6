"""The scan of the configured folders. A flaw is a row that says what is wrong with which file, not a line in a log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from cortex.bridge.definitions import flavors_of, list_url
from cortex.definitions.catalogs import Fetched, is_url
from cortex.definitions.flavor import Flavor, FlavorError, objects_of, parse, read_file

log = structlog.get_logger(__name__)

_UPSERT = text("""
INSERT INTO definitions (kind, id, name, flavor_version, description, author, url, license, data_types, command, root,
  docker_image, base_config, config, items, source, readable_error, network, misp_module, seen_at, gone_at)
VALUES (:kind, :id, :name, :flavor_version, :description, :author, :url, :license, :data_types, :command, :root,
  :docker_image, :base_config, CAST(:config AS jsonb), CAST(:items AS jsonb), :source, :readable_error,
  CAST(:network AS jsonb), CAST(:misp_module AS jsonb), now(), NULL)
ON CONFLICT (kind, id) DO UPDATE SET name = EXCLUDED.name, flavor_version = EXCLUDED.flavor_version,
  description = EXCLUDED.description, author = EXCLUDED.author, url = EXCLUDED.url, license = EXCLUDED.license,
  data_types = EXCLUDED.data_types, command = EXCLUDED.command, root = EXCLUDED.root, docker_image = EXCLUDED.docker_image,
  base_config = EXCLUDED.base_config, config = EXCLUDED.config, items = EXCLUDED.items, source = EXCLUDED.source,
  readable_error = EXCLUDED.readable_error, network = EXCLUDED.network, misp_module = EXCLUDED.misp_module,
  seen_at = now(), gone_at = NULL
""")
_STAY = text("UPDATE definitions SET seen_at = now() WHERE source = ANY(:sources) AND gone_at IS NULL")
_IMAGES = text("""
UPDATE workers SET docker_image = d.docker_image FROM definitions d
WHERE d.kind = workers.kind AND d.id = workers.definition_id AND d.gone_at IS NULL
  AND d.docker_image IS NOT NULL AND d.docker_image IS DISTINCT FROM workers.docker_image
""")
_GONE = text("UPDATE definitions SET gone_at = now() WHERE seen_at < now() AND gone_at IS NULL")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where definitions come from, by kind: folders (every sub-folder's `*.json`, not deeper), catalog files, or URLs of them.

    `modules` is the URL of a misp-modules server, whose expansion modules are analyzers too.
    """

    analyzers: list[str]
    responders: list[str]
    modules: str | None = None

    @property
    def urls(self) -> list[str]:
        """Everything that has to be fetched."""
        listed = [list_url(self.modules)] if self.modules else []
        return [*(place for _, place in self if is_url(place)), *listed]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for kind, places in (("analyzer", self.analyzers), ("responder", self.responders)):
            for place in places:
                yield kind, place


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("*/*.json")) if place.is_dir() else [place]


def _unreadable(kind: str, source: Path | str, problem: str) -> Flavor:
    """The row of a file or catalog that holds no flavor; its id cannot be that of a flavor."""
    name = source if isinstance(source, str) else f"{source.parent.name}/{source.name}"
    version = hashlib.sha256(str(source).encode()).hexdigest()[:8]
    return Flavor(kind=kind, name=name, version=version, source=str(source), problem=problem)


def read_flavors(sources: Sources, fetched: Fetched) -> list[Flavor]:
    """Every definition of the sources, flawed ones with their `problem`. The same id twice: the last one is taken."""
    found: dict[tuple[str, str], Flavor] = {}
    for kind, place in sources:
        flavors = _remote(kind, place, fetched[place]) if is_url(place) else _local(kind, Path(place).absolute())
        found |= {(kind, flavor.id): flavor for flavor in flavors}
    if sources.modules:
        url = list_url(sources.modules)
        found |= {("analyzer", flavor.id): flavor for flavor in _modules(url, fetched[url])}
    return list(found.values())


def _remote(kind: str, url: str, content: bytes | str) -> Iterator[Flavor]:
    if isinstance(content, str):
        yield _unreadable(kind, url, content)
        return
    yield from _parsed(kind, url, partial(objects_of, content))


def _modules(url: str, content: bytes | str) -> Iterator[Flavor]:
    if isinstance(content, str):
        yield _unreadable("analyzer", url, content)
        return
    try:
        yield from flavors_of(content, url)
    except FlavorError as error:
        yield _unreadable("analyzer", url, str(error))


def _local(kind: str, place: Path) -> Iterator[Flavor]:
    for path in _files(place):
        yield from _parsed(kind, path, partial(read_file, path))


def _parsed(kind: str, source: Path | str, read: Callable[[], list[dict[str, Any]]]) -> Iterator[Flavor]:
    try:
        objects = read()
    except FlavorError as error:
        yield _unreadable(kind, source, str(error))
        return
    for raw in objects:
        try:
            yield parse(raw, kind=kind, source=source)
        except FlavorError as error:
            yield _unreadable(kind, source, str(error))


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
        "misp_module": None if flavor.misp_module is None else orjson.dumps(flavor.misp_module).decode(),
    }


async def store(session: AsyncSession, flavors: list[Flavor], unreachable: Sequence[str] = ()) -> None:
    """Makes the table show these definitions; others are marked as gone, their enabled workers stay.

    What came from a catalog that is `unreachable` now stays as it was. Workers follow their definition to another docker image.
    """
    await session.execute(_STAY, {"sources": list(unreachable)})
    for flavor in flavors:
        if flavor.problem:
            log.warning("definition_unusable", source=flavor.source, problem=flavor.problem)
        await session.execute(_UPSERT, _row(flavor))
    await session.execute(_GONE)
    await session.execute(_IMAGES)
