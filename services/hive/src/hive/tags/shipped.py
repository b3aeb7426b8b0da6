"""The public MISP taxonomies, from the data of the package `pytaxonomies`; read by `hive seed` and by nothing else.

The package's own classes would load all of it into objects; here one file after the other goes into the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import orjson
import structlog
from pydantic import ValidationError
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from hive.tables import SYSTEM_LOGIN
from hive.tags.models import Taxonomy
from hive.tags.schemas import InputTaxonomy
from hive.tags.service import store

log = structlog.get_logger()


def shipped() -> Iterator[InputTaxonomy]:
    """Every taxonomy of the package; a file that is none is reported and left out."""
    folder: Traversable = files("pytaxonomies") / "data" / "misp-taxonomies"
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        file = one / "machinetag.json"
        if not file.is_file():
            continue
        try:
            yield InputTaxonomy.model_validate(orjson.loads(file.read_bytes()))
        except (ValidationError, orjson.JSONDecodeError) as error:
            log.warning("taxonomy_unreadable", taxonomy=one.name, error=str(error)[:300])


async def load(session: AsyncSession) -> int:
    """Stores what is new or newer; taxonomies that somebody imported stay. Returns how many were stored."""
    known = {row.namespace: row for row in await session.scalars(select(Taxonomy))}
    stored = 0
    for given in shipped():
        former = known.get(given.namespace)
        if former is not None and (not former.shipped or former.taxonomy_version >= given.taxonomy_version):
            continue
        enabled = False
        if former is not None:
            enabled = former.enabled
            await session.execute(delete(Taxonomy).where(Taxonomy.id == former.id))
            session.expunge(former)
        row = await store(session, given, login=SYSTEM_LOGIN, shipped=True)
        row.enabled = enabled
        known[given.namespace] = row
        stored += 1
    await session.flush()
    return stored
