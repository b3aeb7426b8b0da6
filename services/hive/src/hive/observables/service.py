"""Making, copying and changing observables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.audit.service import Root, record, record_observables
from hive.cases import rights
from hive.catalogue import Catalogue
from hive.identity.caller import Caller
from hive.identity.permissions import Permission
from hive.markings import unique
from hive.observables.drafts import RECORD, ObservableDraft, row, without_repeats
from hive.observables.models import Observable
from hive.observables.values import value_key
from hive.tables import number_of, touch
from waggle.errors import CreateError, InvalidFields, NotFound
from waggle.ids import now_ms

COLUMNS = (
    "data_type, data, value_key, tlp, pap, ioc, sighted, sighted_at, tags, ignore_similarity, message, first_seen, origin,"
    " file_name, content_type"
)

# A value that the parent has already is left out, silently here: the edge decides what to answer. Nothing is read back: in a
# received case the rows are seen once they are shared with who made them (SPREAD).
CREATE = f"""
WITH d AS (SELECT e.value AS v, e.ordinality AS i FROM jsonb_array_elements(CAST(:rows AS jsonb)) WITH ORDINALITY e),
x AS MATERIALIZED (
  SELECT d.i, nextval('entity_id') AS oid, o.* FROM d CROSS JOIN LATERAL jsonb_to_record(d.v) AS {RECORD} ORDER BY d.i),
o AS (
  INSERT INTO observables (id, org_id, alert_id, case_id, {COLUMNS}, sha256, attachment_id, created_at, created_by)
  SELECT oid, :org, CAST(:alert AS bigint), CAST(:case AS bigint), {COLUMNS}, decode(sha256, 'hex'),
    CASE WHEN sha256 IS NOT NULL THEN nextval('entity_id') END, :now, :login FROM x ORDER BY i
  ON CONFLICT DO NOTHING)
SELECT i, oid FROM x ORDER BY i"""

# The alert's observables in the case. Nothing is read back, as above.
COPY = """
WITH source AS MATERIALIZED (
  SELECT nextval('entity_id') AS copy_id, o.* FROM (SELECT * FROM observables WHERE alert_id = :alert ORDER BY id) o),
made AS (
INSERT INTO observables (id, org_id, case_id, data_type, data, value_key, sha256, file_name, content_type, attachment_id,
  tlp, pap, ioc, sighted, ignore_similarity, external, sighted_at, tags, message, reports, first_seen, origin, created_at,
  created_by)
SELECT copy_id, :org, :case, data_type, data, value_key, sha256, file_name, content_type,
  CASE WHEN sha256 IS NOT NULL THEN nextval('entity_id') END, tlp, pap,
  ioc, sighted, ignore_similarity, external, sighted_at, tags, message, reports, first_seen, origin, :now, :login
FROM source ORDER BY copy_id
ON CONFLICT DO NOTHING)
SELECT copy_id FROM source"""
# What the case has already gains the tags, as far as it is seen here.
UNITE = """
UPDATE observables kept SET
  tags = kept.tags || ARRAY(SELECT t FROM unnest(mine.tags) AS t WHERE t <> ALL (kept.tags)),
  updated_at = :now, updated_by = :login, version = kept.version + 1
FROM observables mine
WHERE mine.alert_id = :alert AND kept.case_id = :case AND kept.value_key = mine.value_key AND kept.data_type = mine.data_type
  AND kept.id <> ALL (CAST(:made AS bigint[]))
RETURNING kept.id"""

# To whoever receives them by rule; and the rows by which every viewer's lists find them. Both are functions of the database.
SPREAD = text("SELECT spread_observables(CAST(:ids AS bigint[]))")
INDEX = text("SELECT index_observables(CAST(:ids AS bigint[]))")


@dataclass(frozen=True, slots=True)
class Parent:
    """The alert or case that observables belong to; `org_id` is the parent's organisation."""

    kind: Literal["alert", "case"]
    id: int
    org_id: int

    @property
    def root(self) -> Root:
        return Root(self.kind, self.id)


async def _check(session: AsyncSession, caller: Caller, *, case_id: int | None, org_id: int) -> None:
    await rights.check(session, caller, case_id=case_id, org_id=org_id, permission=Permission.OBSERVABLE)


async def create(
    session: AsyncSession, caller: Caller, parent: Parent, drafts: Sequence[ObservableDraft]
) -> tuple[list[Observable], list[ObservableDraft]]:
    """Stores the drafts; returns the created observables, and the drafts whose value the parent has already.

    Raises Forbidden in a received case whose share does not allow it.
    """
    await _check(session, caller, case_id=parent.id if parent.kind == "case" else None, org_id=parent.org_id)
    kept = without_repeats(drafts)
    found = await session.execute(
        text(CREATE),
        {
            "rows": orjson.dumps([row(draft) for draft in kept]).decode(), "org": parent.org_id, "now": now_ms(),
            "alert": parent.id if parent.kind == "alert" else None, "case": parent.id if parent.kind == "case" else None,
            "login": caller.login,
        },
    )  # fmt: skip
    drawn = {r.i: r.oid for r in found}
    await session.execute(SPREAD, {"ids": list(drawn.values())})
    there = set(await session.scalars(select(Observable.id).where(Observable.id.in_(drawn.values()))))
    ids = {position: one for position, one in drawn.items() if one in there}
    refused = [draft for position, draft in enumerate(kept, 1) if position not in ids]
    if not ids:
        return [], refused
    await record_observables(session, caller, action="create", ids=list(ids.values()), root=parent.root)
    if parent.kind == "alert":
        await session.execute(
            text(
                "UPDATE alerts SET observable_count = observable_count + :n, updated_at = :now, updated_by = :login,"
                " version = version + 1 WHERE id = :id"
            ),
            {"n": len(ids), "now": now_ms(), "login": caller.login, "id": parent.id},
        )
    rows = await session.scalars(select(Observable).where(Observable.id.in_(ids.values())).order_by(Observable.id))
    return list(rows), refused


async def copy_to_case(session: AsyncSession, caller: Caller, *, alert_id: int, case_id: int, org_id: int) -> None:
    """Copies an alert's observables into a case; contents of files are shared, jobs stay with the original."""
    given = {"org": org_id, "case": case_id, "alert": alert_id, "now": now_ms(), "login": caller.login}
    drawn = list(await session.scalars(text(COPY), given))
    await session.execute(SPREAD, {"ids": drawn})
    made = list(await session.scalars(select(Observable.id).where(Observable.id.in_(drawn)).order_by(Observable.id)))
    united = list(await session.scalars(text(UNITE), {**given, "made": made}))
    await _retag(session, united)
    if made:
        await record_observables(session, caller, action="create", ids=made, root=Root("case", case_id))
    if united:
        await record_observables(session, caller, action="update", ids=united, root=Root("case", case_id))


async def _retag(session: AsyncSession, ids: list[int]) -> None:
    """Writes anew the rows by which observables are found."""
    if ids:
        await session.execute(INDEX, {"ids": ids})


async def find(session: AsyncSession, reference: str, *, for_update: bool = False) -> Observable:
    """The observable of an id. Raises NotFound."""
    statement = select(Observable).where(Observable.id == number_of(reference))
    if for_update:
        statement = statement.with_for_update(of=Observable).execution_options(populate_existing=True)
    found = await session.scalar(statement)
    if found is None:
        raise NotFound(f"Observable {reference[:200]} not found")
    return found


async def find_all(session: AsyncSession, references: Sequence[str]) -> list[Observable]:
    """The observables of several ids, locked, in the order of their ids. Raises NotFound if one is missing."""
    numbers = {reference: number_of(reference) for reference in references}
    wanted = [number for number in numbers.values() if number is not None]
    statement = select(Observable).where(Observable.id.in_(wanted)).order_by(Observable.id)
    rows = await session.scalars(statement.with_for_update(of=Observable).execution_options(populate_existing=True))
    found = {row.id: row for row in rows}
    for reference, number in numbers.items():
        if number not in found:
            raise NotFound(f"Observable {reference[:64]} not found")
    return list(found.values())


async def count_of(session: AsyncSession, parent: Parent) -> int:
    """How many observables of an alert or case the caller sees."""
    column = Observable.alert_id if parent.kind == "alert" else Observable.case_id
    return int(await session.scalar(select(func.count()).select_from(Observable).where(column == parent.id)) or 0)


def root_of(observable: Observable) -> Root:
    if observable.case_id is not None:
        return Root("case", observable.case_id)
    assert observable.alert_id is not None
    return Root("alert", observable.alert_id)


async def change(
    session: AsyncSession,
    caller: Caller,
    observable: Observable,
    columns: dict[str, Any],
    catalogue: Catalogue,
    *,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
) -> None:
    """Applies changes by column name. Raises InvalidFields, or CreateError when a new type meets an existing twin."""
    await _check(session, caller, case_id=observable.case_id, org_id=observable.org_id)
    wanted = dict(columns)
    tags = wanted.get("tags", observable.tags)
    wanted["tags"] = [t for t in unique([*tags, *add_tags]) if t not in remove_tags]
    if wanted.get("sighted") and not wanted.get("sighted_at") and observable.sighted_at is None:
        wanted["sighted_at"] = now_ms()
    changed = {name: value for name, value in wanted.items() if getattr(observable, name) != value}
    if "data_type" in changed:
        changed["value_key"] = await _retyped(session, observable, changed["data_type"], catalogue)
    if not changed:
        return
    for name, value in changed.items():
        setattr(observable, name, value)
    touch(observable, caller.login)
    await session.flush()
    if "tags" in changed or "value_key" in changed:
        await _retag(session, [observable.id])
    changed.pop("value_key", None)
    await record(
        session, caller, action="update", kind="observable", object_id=observable.id, root=root_of(observable), details=changed
    )
    await session.refresh(observable)


async def remove(session: AsyncSession, caller: Caller, observable: Observable, *, gone: dict[str, Any]) -> None:
    """Deletes an observable with its jobs, reports and verdicts. `gone`: its last state, for the history."""
    await _check(session, caller, case_id=observable.case_id, org_id=observable.org_id)
    root, details = root_of(observable), {"dataType": observable.data_type, "data": observable.data or observable.file_name}
    await session.delete(observable)
    await session.flush()
    if root.kind == "alert":
        await session.execute(
            text(
                "UPDATE alerts SET observable_count = observable_count - 1, updated_at = :now, updated_by = :login,"
                " version = version + 1 WHERE id = :id"
            ),
            {"now": now_ms(), "login": caller.login, "id": root.id},
        )
    await record(
        session, caller, action="delete", kind="observable", object_id=observable.id, root=root, details=details, gone=gone
    )


async def _retyped(session: AsyncSession, observable: Observable, data_type: str, catalogue: Catalogue) -> Any:
    """The key under a new type; only within the same kind, value or file."""
    kind = catalogue.kind(data_type)
    if kind.is_attachment != (observable.sha256 is not None):
        raise InvalidFields.invalid("dataType", "a value cannot become a file, nor a file a value")
    key = observable.value_key
    if observable.data is not None:
        key = value_key(observable.data, case_sensitive=kind.is_case_sensitive)
    twin = exists().where(
        Observable.parent_id == observable.parent_id, Observable.value_key == key, Observable.data_type == data_type,
        Observable.id != observable.id,
    )  # fmt: skip
    if await session.scalar(select(twin)):
        raise CreateError("Observable already exists")
    return key
