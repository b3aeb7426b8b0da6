"""What can be searched of analysis, history and pages: actions of responders, changes, dashboards."""

from __future__ import annotations

from hive.search.fields import common, flags, ids, numbers, texts
from waggle.query import Entity, Field
from waggle.query.compiler import Compiler

ACTION = Entity(
    kind="action",
    table="actions",
    org=None,
    date="created_at",
    fields={
        **common(),
        **texts(
            status="status", responderId="worker_id", responderName="worker_name", responderDefinition="definition",
            cortexId="server", cortexJobId="cortex_job_id", objectType="object_kind",
        ),
        **numbers(startDate="start_date", endDate="end_date"),
        **ids(objectId="object_id"),
    },
    texts=("responderName",),
)  # fmt: skip

AUDIT = Entity(
    kind="audit",
    table="audit",
    org=None,
    date="at",
    fields={
        "_id": Field("{t}.id", "id"), "_createdBy": Field("{t}.actor"), "_createdAt": Field("{t}.at", "integer"),
        **texts(action="action", objectType="kind", rootType="root_kind", requestId="request_id"),
        **flags(base="base"), **ids(objectId="object_id", rootId="root_id"),
    },
    texts=("objectType", "action"),
)  # fmt: skip

DASHBOARD = Entity(
    kind="dashboard",
    table="dashboards",
    fields={
        **common(),
        **texts(title="title", description="description", definition="definition"),
        "status": Field(
            "CASE WHEN {t}.shared THEN 'Shared' ELSE 'Private' END", "computed",
            cases={"Shared": "{t}.shared", "Private": "NOT {t}.shared"},
        ),
    },
    texts=("title", "description"),
)  # fmt: skip


def changes_of(compiler: Compiler, number: int) -> str:
    """The history of one object: of an alert or case all that happened under it. The root finds the rows by their index."""
    wanted = compiler.parameters.bind(number, "bigint")
    roots = (
        f"SELECT {wanted} UNION ALL SELECT case_id FROM tasks WHERE id = {wanted}"
        f" UNION ALL SELECT case_id FROM logs WHERE id = {wanted} UNION ALL SELECT parent_id FROM observables WHERE id = {wanted}"
    )
    alias = compiler.alias
    return f"({alias}.root_id IN ({roots}) AND ({alias}.object_id = {wanted} OR {alias}.root_id = {wanted}))"
