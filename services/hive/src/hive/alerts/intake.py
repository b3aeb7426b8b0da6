"""Taking in alerts: alert, tags, fields, search row, observables, audit and outbox in ONE SQL statement.

The one named exception to "services run in the caller's transaction" (architecture): a single, a batch and the bus all come
through here. The organisation travels inside the statement (`context_sql`), so row-level security holds in the one round trip.
What already exists (type, source, source reference) leaves no trace and answers with no id; concurrent twins wait for each
other on the unique index, so exactly one of them is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import asyncpg
import orjson

from hive.alerts.models import Alert
from hive.customfields.values import RECORD as FIELD_RECORD
from hive.customfields.values import FieldValue
from hive.identity.caller import Caller
from hive.observables.drafts import RECORD as OBSERVABLE_RECORD
from hive.observables.drafts import ObservableDraft, row, without_repeats
from hive.procedures.service import ProcedureDraft
from waggle.contracts.vocabulary import DEFAULT_PAP, DEFAULT_TLP
from waggle.db import Database
from waggle.db.database import context_sql
from waggle.ids import now_ms, uuid7

BATCH_LIMIT = 100


@dataclass(frozen=True, slots=True)
class AlertDraft:
    """An alert that has been checked: its types, statuses, fields and people exist."""

    type: str
    source: str
    source_ref: str
    title: str
    description: str
    date: int
    severity: int = 2
    tlp: str = DEFAULT_TLP
    pap: str = DEFAULT_PAP
    status: str = "New"
    stage: str = "New"
    tags: list[str] = field(default_factory=list)
    flag: bool = False
    external_link: str | None = None
    case_template: str | None = None
    summary: str | None = None
    assignee_id: int | None = None
    assignee: str | None = None
    last_sync_date: int | None = None
    fields: list[FieldValue] = field(default_factory=list)
    observables: list[ObservableDraft] = field(default_factory=list)
    procedures: list[ProcedureDraft] = field(default_factory=list)

    @property
    def triple(self) -> tuple[str, str, str]:
        return self.type, self.source, self.source_ref


COLUMNS = (
    "type text, source text, source_ref text, title text, description text, severity smallint, tlp text, pap text, date bigint,"
    " status text, stage text, read boolean, flag boolean, external_link text, case_template text, summary text,"
    " assignee_id bigint, tags text[], observable_count integer, new_date bigint, in_progress_date bigint, closed_date bigint,"
    " last_sync_date bigint, updated_at bigint, updated_by text"
)
NAMES = ", ".join(part.split()[0] for part in COLUMNS.split(", "))
OBSERVABLE_COLUMNS = (
    "data_type, data, value_key, tlp, pap, ioc, sighted, sighted_at, tags, ignore_similarity, message, first_seen, origin,"
    " file_name, content_type"
)

# $1-$3 scope, $4 the batch, $5 organisation, $6 now, $7 login, $8 request id, $9 organisation's name, $10 message ids
STATEMENT = f"""
WITH {context_sql(1)},
d AS MATERIALIZED (
  SELECT e.value AS b, e.ordinality AS i FROM ctx, jsonb_array_elements($4::jsonb) WITH ORDINALITY e),
fv AS MATERIALIZED (
  SELECT d.i, nextval('entity_id') AS id, f.* FROM d, jsonb_to_recordset(d.b->'fields') AS {FIELD_RECORD}),
fj AS (
  SELECT i, jsonb_agg(jsonb_build_object('id', id, 'name', name, 'type', type, 'value', value, 'order', ord)
    ORDER BY ord, id) AS copy FROM fv GROUP BY i),
a AS (
  INSERT INTO alerts (org_id, {NAMES}, follow, custom_fields, created_at, created_by)
  SELECT $5::bigint, {", ".join(f"r.{name}" for name in NAMES.split(", "))}, true, coalesce(fj.copy, '[]'), $6::bigint, $7::text
  FROM d CROSS JOIN LATERAL jsonb_to_record(d.b) AS r({COLUMNS}) LEFT JOIN fj ON fj.i = d.i ORDER BY d.i
  ON CONFLICT DO NOTHING
  RETURNING *),
m AS MATERIALIZED (
  SELECT a.*, d.i, d.b FROM a
  JOIN d ON d.b->>'type' = a.type AND d.b->>'source' = a.source AND d.b->>'source_ref' = a.source_ref),
x AS MATERIALIZED (
  SELECT nextval('entity_id') AS oid, m.id AS aid, o.* FROM m, jsonb_to_recordset(m.b->'observables') AS {OBSERVABLE_RECORD}),
o AS (
  INSERT INTO observables (id, org_id, alert_id, {OBSERVABLE_COLUMNS}, sha256, attachment_id, created_at, created_by)
  SELECT oid, $5, aid, {OBSERVABLE_COLUMNS}, decode(sha256, 'hex'),
    CASE WHEN sha256 IS NOT NULL THEN nextval('entity_id') END, $6, $7 FROM x),
ot AS (
  INSERT INTO observable_tags (org_id, tag, created_at, observable_id)
  SELECT $5, t.tag, $6, x.oid FROM x, unnest(x.tags) AS t(tag)),
v AS (
  INSERT INTO observable_values (org_id, value_key, data)
  SELECT DISTINCT ON (value_key) $5, value_key, data FROM x WHERE data IS NOT NULL ORDER BY value_key
  ON CONFLICT DO NOTHING),
t AS (
  INSERT INTO alert_texts (entity_id, kind, alert_id, org_id, title, document)
  SELECT id, 'alert', id, $5, title, alert_document(title, description, source, type, source_ref, tags) FROM m),
g AS (
  INSERT INTO alert_tags (org_id, tag, date, alert_id) SELECT $5, t.tag, m.date, m.id FROM m, unnest(m.tags) AS t(tag)),
c AS (
  INSERT INTO alert_fields (id, org_id, field_no, alert_id, ord, key, number, value, date)
  SELECT fv.id, $5, fv.field_no, m.id, fv.ord, fv.key, fv.number, coalesce(fv.value, 'null'), m.date
  FROM fv JOIN m ON m.i = fv.i),
p AS (
  INSERT INTO procedures (org_id, alert_id, pattern_id, tactic, description, occur_date, created_at, created_by)
  SELECT $5, m.id, p.pattern_id, p.tactic, p.description, p.occur_date, $6, $7 FROM m, jsonb_to_recordset(m.b->'procedures')
    AS p(pattern_id text, tactic text, description text, occur_date bigint)),
u AS (
  INSERT INTO audit (at, org_id, request_id, base, action, kind, object_id, root_kind, root_id, actor, details)
  SELECT $6, $5, $8::text, true, 'create', 'alert', id, 'alert', id, $7,
    jsonb_build_object('type', type, 'source', source, 'sourceRef', source_ref, 'title', title, 'severity', severity, 'tlp', tlp,
      'pap', pap, 'status', status, 'tags', tags, 'observableCount', observable_count) FROM m),
b AS (
  INSERT INTO outbox (message_id, topic, key, body)
  SELECT ($10::uuid[])[m.i], 'alert.created.v1', 'alert:~' || id, json_build_object(
    'id', ($10::uuid[])[m.i], 'type', 'alert.created.v1', 'source', 'hive', 'time', $6,
    'organisation', $9::text, 'key', 'alert:~' || id, 'actor', $7, 'request_id', $8, 'data', json_build_object('id', '~' || id,
      'type', type, 'source', source, 'source_ref', source_ref, 'title', title, 'severity', severity, 'tlp', tlp,
      'status', status, 'stage', stage)) FROM m)
SELECT m.i, to_jsonb(a.*) AS alert FROM m JOIN a ON a.id = m.id ORDER BY m.i
"""


def record(draft: AlertDraft, login: str, now: int) -> dict[str, Any]:
    observables = without_repeats(draft.observables)
    closed = draft.stage == "Closed"
    return {
        "type": draft.type, "source": draft.source, "source_ref": draft.source_ref, "title": draft.title,
        "description": draft.description, "severity": draft.severity, "tlp": draft.tlp, "pap": draft.pap, "date": draft.date,
        "status": draft.status, "stage": draft.stage, "read": closed, "flag": draft.flag, "external_link": draft.external_link,
        "case_template": draft.case_template, "summary": draft.summary, "assignee_id": draft.assignee_id,
        "tags": list(dict.fromkeys(draft.tags)), "observable_count": len(observables), "new_date": now,
        "in_progress_date": now if draft.stage == "InProgress" else None, "closed_date": now if closed else None,
        "last_sync_date": draft.last_sync_date, "updated_at": now if observables else None,
        "updated_by": login if observables else None,
        "fields": [one.row() for one in draft.fields], "observables": [row(one) for one in observables],
        "procedures": [asdict(one) for one in draft.procedures],
    }  # fmt: skip


async def take_in(
    database: Database, caller: Caller, drafts: Sequence[AlertDraft], *, connection: asyncpg.Connection | None = None
) -> list[Alert | None]:
    """Stores the drafts; one answer per draft, None where its triple exists already (also earlier in the same batch).

    With `connection` the statement runs in that connection's transaction (a consumer's inbox), else on its own.
    """
    assert len(drafts) <= BATCH_LIMIT
    now = now_ms()
    first = {draft.triple: i for i, draft in reversed(list(enumerate(drafts)))}
    kept = [i for i, draft in enumerate(drafts) if first[draft.triple] == i]
    batch = orjson.dumps([record(drafts[i], caller.login, now) for i in kept]).decode()
    scope = caller.scope()
    arguments = (
        *scope.parameters(), batch, caller.org_id, now, caller.login, scope.request_id or "", caller.organisation,
        [uuid7() for _ in kept],
    )  # fmt: skip
    if connection is None:
        rows = await database.fetch(STATEMENT, *arguments)
    else:
        rows = await connection.fetch(STATEMENT, *arguments)
    answers: list[Alert | None] = [None] * len(drafts)
    for found in rows:
        position = kept[found["i"] - 1]
        values = dict(found["alert"])
        values.pop("status_kind")
        answers[position] = Alert(**values, assignee=drafts[position].assignee)
    return answers
