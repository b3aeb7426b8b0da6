"""What can be searched, by the v1 API's names: one register per kind of object (waggle.query compiles it to SQL).

Lists of cases are driven from `case_shares`: own and received cases alike, in order of their date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hive.catalogue import Catalogue
from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS
from waggle.query import Entity, Field, Side

TLP = {number: (word,) for number, word in enumerate(TLP_LEVELS)}
PAP = {number: (word,) for number, word in enumerate(PAP_LEVELS)}
ASSIGNEE = Field("(SELECT u.login FROM users u WHERE u.id = {t}.assignee_id)")
NUMERIC = ("integer", "float", "date")
SHARED_CASES = (
    "(SELECT c.*, s.org_id AS viewer_id, s.start_date AS listed_at FROM case_shares s JOIN cases c ON c.id = s.case_id)"
)


def common() -> dict[str, Field]:
    return {
        "_id": Field("{t}.id", "id"), "id": Field("{t}.id", "id"),
        "_createdBy": Field("{t}.created_by"), "_createdAt": Field("{t}.created_at", "integer"),
        "_updatedBy": Field("{t}.updated_by"), "_updatedAt": Field("{t}.updated_at", "integer"),
        "version": Field("{t}.version", "integer"),
    }  # fmt: skip


def texts(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}") for name, column in columns.items()}


def numbers(**columns: str) -> dict[str, Field]:
    """Counts and times (ms)."""
    return {name: Field(f"{{t}}.{column}", "integer") for name, column in columns.items()}


def flags(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}", "boolean") for name, column in columns.items()}


def ids(**columns: str) -> dict[str, Field]:
    return {name: Field(f"{{t}}.{column}", "id") for name, column in columns.items()}


def markings(tlp: Mapping[int, tuple[str, ...]] = TLP) -> dict[str, Field]:
    return {"tlp": Field("{t}.tlp", "scale", words=tlp), "pap": Field("{t}.pap", "scale", words=PAP)}


def tags(table: str, owner: str, date: str = "date") -> dict[str, Field]:
    return {"tags": Field("{t}.tags", "list", side=Side(table, owner, "tag", date=date))}


def custom_fields(kind: str, catalogue: Catalogue) -> Callable[[str], Field | None]:
    """`customFields.<name>`: the definition's type picks the column that is compared."""

    def find(name: str) -> Field | None:
        definition = catalogue.fields.get(name.removeprefix("customFields."))
        if definition is None or not name.startswith("customFields."):
            return None
        numeric = definition.type in NUMERIC
        column = "number" if numeric else "key"
        side = Side(f"{kind}_fields", f"{kind}_id", column, date="date", fixed={"field_no": definition.number}, row="id")
        return Field("", "float" if numeric else "text", side=side)

    return find


def with_custom_fields(entity: Entity, catalogue: Catalogue) -> Entity:
    """The register with the custom fields there are now."""
    kind = entity.kind
    return replace(entity, custom=custom_fields(kind, catalogue)) if kind in ("alert", "case") else entity


ALERT = Entity(
    kind="alert",
    table="alerts",
    date="date",
    fields={
        **common(),
        **texts(
            type="type", source="source", sourceRef="source_ref", title="title", description="description", status="status",
            stage="stage", externalLink="external_link", caseTemplate="case_template", summary="summary",
        ),
        **numbers(
            severity="severity", date="date", observableCount="observable_count", newDate="new_date",
            inProgressDate="in_progress_date", closedDate="closed_date", importedDate="imported_date",
            importDate="imported_date", lastSyncDate="last_sync_date",
        ),
        **flags(read="read", follow="follow", flag="flag"),
        **ids(caseId="case_id", case="case_id"),
        **markings(),
        **tags("alert_tags", "alert_id"),
        "imported": Field("({t}.case_id IS NOT NULL)", "boolean"),
        "assignee": ASSIGNEE,
        "user": ASSIGNEE,
    },
    texts=("title", "description", "source", "sourceRef"),
)  # fmt: skip

CASE = Entity(
    kind="case",
    table=SHARED_CASES,
    org="viewer_id",
    date="listed_at",
    number="{t}.number",
    fields={
        **common(),
        **texts(
            title="title", description="description", status="status", stage="stage", summary="summary",
            impactStatus="impact_status",
        ),
        **numbers(
            number="number", severity="severity", startDate="listed_at", endDate="end_date", newDate="new_date",
            inProgressDate="in_progress_date", closedDate="closed_date", alertDate="alert_date",
        ),
        **flags(flag="flag"),
        **markings(),
        **tags("case_tags", "case_id"),
        "assignee": ASSIGNEE,
    },
    texts=("title", "description", "summary"),
)  # fmt: skip

TASK = Entity(
    kind="task",
    table="tasks",
    org=None,
    fields={
        **common(),
        **texts(title="title", group="task_group", description="description", status="status"),
        **numbers(order="ord", startDate="start_date", endDate="end_date", dueDate="due_date"),
        **flags(flag="flag", mandatory="mandatory"),
        **ids(caseId="case_id"),
        "assignee": ASSIGNEE,
    },
    texts=("title", "description"),
)

LOG = Entity(
    kind="log",
    table="logs",
    org=None,
    fields={
        **common(),
        **texts(message="message", owner="created_by"),
        **numbers(date="date", includeInTimeline="include_in_timeline"),
        **ids(taskId="task_id"),
    },
    texts=("message",),
)

OBSERVABLE = Entity(
    kind="observable",
    table="observables",
    date="created_at",
    fields={
        **common(),
        **texts(
            dataType="data_type", data="data", message="message",
            **{"attachment.name": "file_name", "attachment.contentType": "content_type"},
        ),
        **numbers(startDate="created_at", sightedAt="sighted_at"),
        **flags(ioc="ioc", sighted="sighted", ignoreSimilarity="ignore_similarity"),
        **markings(),
        **tags("observable_tags", "observable_id", "created_at"),
        "attachment.id": Field("encode({t}.sha256, 'hex')"),
    },
    texts=("data", "message", "attachment.name"),
)  # fmt: skip

JOB = Entity(
    kind="job",
    table="jobs",
    date="created_at",
    fields={
        **common(),
        **texts(
            status="status", analyzerId="worker_id", analyzerName="worker_name", analyzerDefinition="definition",
            cortexId="server", cortexJobId="cortex_job_id",
        ),
        **numbers(startDate="start_date", endDate="end_date"),
        **ids(observableId="observable_id"),
    },
    texts=("analyzerName",),
)  # fmt: skip

TEMPLATE = Entity(
    kind="case template",
    table="case_templates",
    fields={
        **common(),
        **texts(name="name", displayName="display_name", titlePrefix="title_prefix", description="description"),
        "tags": Field("{t}.tags", "list"),
    },
    texts=("name", "displayName"),
)

ATTACHMENT = Entity(
    kind="attachment",
    table="attachments",
    org=None,
    fields={**common(), **texts(name="name", contentType="content_type"), **numbers(size="size")},
    texts=("name",),
)

ORGANISATION = Entity(
    kind="organisation",
    table="organisations",
    org=None,
    fields={**common(), **texts(name="name", description="description")},
    texts=("name", "description"),
)

PROFILE = Entity(
    kind="profile",
    table="profiles",
    org=None,
    fields={**common(), **texts(name="name"), "permissions": Field("{t}.permissions", "list")},
    texts=("name",),
)

USER = Entity(
    kind="user",
    table="(SELECT u.* FROM users u WHERE EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id))",
    org=None,
    fields={**common(), **texts(login="login", name="name", email="email", type="kind"), **flags(locked="locked")},
    texts=("login", "name"),
)
