"""Tags and taxonomies: what can be chosen, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import delete, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.tables import number_of, touch
from hive.tags.models import Tag, Taxonomy
from hive.tags.schemas import InputTaxonomy
from waggle.errors import BadRequest, CreateError, NotFound
from waggle.ids import now_ms

COLLECT = text("SELECT collect_free_tags()")
INSERT_TAGS = text(
    "INSERT INTO tags (taxonomy_id, namespace, predicate, value, description, colour, created_at, created_by)"
    " SELECT :taxonomy, :namespace, t.predicate, t.value, t.description, t.colour, :now, :login"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(predicate text, value text, description text, colour text)"
    " ON CONFLICT DO NOTHING"
)


async def collect(session: AsyncSession) -> None:
    """Enters the free tags that the organisation's alerts, cases and observables have by now."""
    await session.execute(COLLECT)


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Tag:
    """A tag the caller may see. Raises NotFound."""
    statement = select(Tag).where(Tag.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Tag {reference[:64]} not found")
    return found


def _check(caller: Caller, tag: Tag) -> None:
    """Tags of taxonomies are the platform's, free ones the organisation's."""
    caller.check(Permission.TAXONOMY if tag.taxonomy_id is not None else Permission.TAG)


async def change(session: AsyncSession, caller: Caller, tag: Tag, changes: Mapping[str, Any]) -> None:
    """Changes the look of a tag. Raises BadRequest for a new name: objects carry their tags by name."""
    _check(caller, tag)
    changed = {name: value for name, value in changes.items() if getattr(tag, name) != value}
    if "predicate" in changed:
        raise BadRequest("a tag keeps its name: alerts, cases and observables carry it")
    if not changed:
        return
    for name, value in changed.items():
        setattr(tag, name, value)
    touch(tag, caller.login)
    await session.flush()
    root = Root("organisation", caller.org_id)
    await record(session, caller, action="update", kind="tag", object_id=tag.id, root=root, details=changed)


async def remove(session: AsyncSession, caller: Caller, tag: Tag) -> None:
    """Forgets how a tag looks; objects keep it. A tag of a taxonomy goes only with its taxonomy."""
    _check(caller, tag)
    if tag.taxonomy_id is not None:
        raise BadRequest("a tag of a taxonomy goes with its taxonomy")
    root = Root("organisation", caller.org_id)
    details = {"predicate": tag.predicate}
    await record(session, caller, action="delete", kind="tag", object_id=tag.id, root=root, details=details)
    await session.delete(tag)
    await session.flush()


async def find_taxonomy(session: AsyncSession, reference: str, *, for_update: bool = False) -> Taxonomy:
    """The taxonomy of an id or namespace. Raises NotFound."""
    statement = select(Taxonomy).where(or_(Taxonomy.id == number_of(reference), Taxonomy.namespace == reference))
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Taxonomy {reference[:128]} not found")
    return found


async def tags_of(session: AsyncSession, taxonomies: Sequence[Taxonomy]) -> dict[int, list[Tag]]:
    """The tags of taxonomies, in the order of their files."""
    found: dict[int, list[Tag]] = {one.id: [] for one in taxonomies}
    rows = await session.scalars(select(Tag).where(Tag.taxonomy_id.in_(found)).order_by(Tag.id))
    for row in rows:
        assert row.taxonomy_id is not None
        found[row.taxonomy_id].append(row)
    return found


def rows_of(given: InputTaxonomy) -> list[dict[str, Any]]:
    """A tag per entry of a predicate; of a predicate without entries the predicate itself."""
    entries = {one.predicate: one.entry for one in given.values}
    rows: list[dict[str, Any]] = []
    for predicate in given.predicates:
        about = predicate.description or predicate.expanded
        below = entries.get(predicate.value)
        if not below:
            rows.append({"predicate": predicate.value, "value": None, "description": about, "colour": predicate.colour})
        rows.extend(
            {
                "predicate": predicate.value, "value": one.value, "description": one.description or one.expanded,
                "colour": one.colour,
            }
            for one in below or ()
        )  # fmt: skip
    return rows


async def store(session: AsyncSession, given: InputTaxonomy, *, login: str, shipped: bool) -> Taxonomy:
    """A taxonomy with its tags; the caller has seen to it that there is none of that namespace."""
    now = now_ms()
    row = Taxonomy(
        namespace=given.namespace, description=given.description, taxonomy_version=given.taxonomy_version,
        exclusive=given.exclusive, shipped=shipped, created_at=now, created_by=login,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    rows = orjson.dumps(rows_of(given)).decode()
    values = {"taxonomy": row.id, "namespace": row.namespace, "now": now, "login": login, "rows": rows}
    await session.execute(INSERT_TAGS, values)
    return row


async def create_taxonomy(session: AsyncSession, caller: Caller, given: InputTaxonomy) -> Taxonomy:
    """Raises CreateError for a namespace that exists."""
    if await session.scalar(select(Taxonomy.id).where(Taxonomy.namespace == given.namespace)):
        raise CreateError(f"Taxonomy {given.namespace} already exist")
    row = await store(session, given, login=caller.login, shipped=False)
    await _record(session, caller, "create", row, {"namespace": row.namespace, "version": row.taxonomy_version})
    return row


async def enable(session: AsyncSession, caller: Caller, row: Taxonomy, *, enabled: bool) -> None:
    if row.enabled == enabled:
        return
    row.enabled = enabled
    touch(row, caller.login)
    await session.flush()
    await _record(session, caller, "update", row, {"enabled": enabled})


async def remove_taxonomy(session: AsyncSession, caller: Caller, row: Taxonomy) -> None:
    """With its tags; objects keep theirs."""
    await _record(session, caller, "delete", row, {"namespace": row.namespace})
    await session.execute(delete(Tag).where(Tag.taxonomy_id == row.id))
    await session.delete(row)
    await session.flush()


async def _record(session: AsyncSession, caller: Caller, action: Any, row: Taxonomy, details: dict[str, Any]) -> None:
    root = Root("organisation", caller.org_id)
    await record(session, caller, action=action, kind="taxonomy", object_id=row.id, root=root, details=details)
