"""What can be searched, by the v1 API's names: one register per kind of object (waggle.query compiles it to SQL).

Lists of cases are driven from `case_shares`: own and received cases alike, in order of their date.
"""

from __future__ import annotations

from hive.search.fields import (
    ASSIGNEE,
    HASHES,
    between,
    common,
    durations,
    flags,
    handling,
    has_data,
    ids,
    labels,
    markings,
    numbers,
    tags,
    texts,
    verdicts,
)
from hive.search.texts import (
    ALERT_TITLE,
    ALERT_WORDS,
    CASE_TITLE,
    CASE_WORDS,
    COMMENT_WORDS,
    PART_WORDS,
    REPORT_WORDS,
    VALUE_PARTS,
    VALUES,
    prose,
)
from waggle.query import Entity, Field

VISIBLE_ORGANISATIONS = (
    "(SELECT g.* FROM organisations g WHERE g.id = (SELECT waggle_org()) OR (SELECT in_admin_organisation()) OR EXISTS"
    " (SELECT FROM organisation_links l WHERE l.org_id = (SELECT waggle_org()) AND l.other_org_id = g.id))"
)
SHARED_CASES = (
    "(SELECT c.*, s.org_id AS viewer_id, s.start_date AS listed_at FROM case_shares s JOIN cases c ON c.id = s.case_id"
    " WHERE c.merged_into IS NULL)"
)
# The same where no other organisation shared one.
OWN_CASES = "(SELECT c.*, c.org_id AS viewer_id, c.start_date AS listed_at FROM cases c WHERE c.merged_into IS NULL)"

ALERT = Entity(
    kind="alert",
    table="alerts",
    date="date",
    fields={
        **common(),
        **texts(
            type="type", source="source", sourceRef="source_ref", status="status", stage="stage",
            externalLink="external_link", caseTemplate="case_template", summary="summary",
        ),
        "title": prose("title", words=ALERT_WORDS, like=ALERT_TITLE),
        "description": prose("description", words=ALERT_WORDS),
        **numbers(
            severity="severity", date="date", observableCount="observable_count", newDate="new_date",
            inProgressDate="in_progress_date", closedDate="closed_date", importedDate="imported_date",
            importDate="imported_date", lastSyncDate="last_sync_date",
        ),
        **durations(
            timeToDetect=between("{t}.new_date", "{t}.date"),
            timeToTriage=between("{t}.in_progress_date", "{t}.new_date"),
            timeToQualify=between("greatest({t}.imported_date, {t}.closed_date)", "{t}.new_date"),
            timeToAcknowledge=between("{t}.in_progress_date", "{t}.date"),
        ),
        **handling(between("{t}.imported_date", "{t}.created_at")),
        **flags(read="read", follow="follow", flag="flag"),
        **ids(caseId="case_id", case="case_id"),
        **markings(),
        **labels(),
        **tags("alert_tags", "alert_id", alone=True),
        "imported": Field("({t}.case_id IS NOT NULL)", "boolean"),
        "assignee": ASSIGNEE,
        "user": ASSIGNEE,
    },
    texts=("title", "description", "source", "sourceRef", "tags"),
    match=ALERT_WORDS,
)  # fmt: skip

CASE = Entity(
    kind="case",
    table=SHARED_CASES,
    org="viewer_id",
    date="listed_at",
    number="{t}.number",
    fields={
        **common(),
        **texts(status="status", stage="stage", impactStatus="impact_status"),
        "title": prose("title", words=CASE_WORDS, like=CASE_TITLE),
        "description": prose("description", words=CASE_WORDS),
        "summary": prose("summary", words=CASE_WORDS),
        **numbers(
            number="number", severity="severity", startDate="listed_at", endDate="end_date", newDate="new_date",
            inProgressDate="in_progress_date", closedDate="closed_date", alertDate="alert_date", alertNewDate="alert_new_date",
            alertInProgressDate="alert_in_progress_date", alertImportedDate="alert_imported_date",
        ),
        **durations(
            timeToDetect=f"(CASE WHEN {{t}}.alert_date IS NULL THEN {between('{t}.new_date', '{t}.start_date')}"
            f" ELSE coalesce({between('{t}.alert_new_date', '{t}.alert_date')}, 0) END)",
            timeToTriage=between("{t}.in_progress_date", "{t}.new_date"),
            timeToQualify=between("{t}.alert_imported_date", "{t}.alert_new_date"),
            timeToAcknowledge=between("{t}.in_progress_date", "{t}.start_date"),
            timeToResolve=between("{t}.end_date", "least({t}.alert_in_progress_date, {t}.in_progress_date)"),
            handlingDuration=between("{t}.end_date", "{t}.created_at"),
        ),
        **handling(between("{t}.end_date", "{t}.created_at")),
        **flags(flag="flag"),
        **markings(),
        **labels(),
        **tags("case_tags", "case_id", date=None, org=None),
        "assignee": ASSIGNEE,
    },
    texts=("title", "description", "summary", "tags"),
    match=CASE_WORDS,
)  # fmt: skip

TASK = Entity(
    kind="task",
    table="tasks",
    org=None,
    fields={
        **common(),
        **texts(group="task_group", status="status"),
        "title": prose("title", words=PART_WORDS),
        "description": prose("description", words=PART_WORDS),
        **numbers(order="ord", startDate="start_date", endDate="end_date", dueDate="due_date"),
        **durations(timeToHandle=between("{t}.end_date", "{t}.start_date")),
        **flags(flag="flag", mandatory="mandatory"),
        **ids(caseId="case_id"),
        "assignee": ASSIGNEE,
    },
    texts=("title", "description"),
    match=PART_WORDS,
)

ATTACHED = "ARRAY(SELECT {what} FROM attachments a WHERE a.log_id = {{t}}.id)"

LOG = Entity(
    kind="log",
    table="logs",
    org=None,
    fields={
        **common(),
        **texts(owner="created_by"),
        "message": prose("message", words=PART_WORDS),
        "attachment.name": Field(ATTACHED.format(what="a.name"), "list"),
        "attachment.contentType": Field(ATTACHED.format(what="a.content_type"), "list"),
        "attachment.id": Field(ATTACHED.format(what="encode(a.sha256, 'hex')"), "list"),
        **numbers(date="date", includeInTimeline="include_in_timeline"),
        **ids(taskId="task_id"),
    },
    texts=("message",),
    match=PART_WORDS,
)

OBSERVABLE = Entity(
    kind="observable",
    table="observables",
    org=None,
    date="created_at",
    fields={
        **common(),
        **texts(
            dataType="data_type", message="message",
            **{"attachment.name": "file_name", "attachment.contentType": "content_type"},
        ),
        **numbers(startDate="created_at", sightedAt="sighted_at"),
        **flags(ioc="ioc", sighted="sighted", ignoreSimilarity="ignore_similarity", external="external"),
        **markings(),
        **texts(tlpLabel="tlp", papLabel="pap"),
        **tags("observable_tags", "observable_id", "created_at"),
        "data": Field("{t}.data", equal=has_data, like=VALUES),
        "attachment.size": Field("(SELECT b.size FROM blobs b WHERE b.sha256 = {t}.sha256)", "integer"),
        "attachment.hashes": HASHES,
        "attachment.id": Field("encode({t}.sha256, 'hex')"),
        **verdicts(),
    },
    texts=("data", "message", "attachment.name", "tags"),
    match=VALUE_PARTS,
)  # fmt: skip

# Own and received ones alike, by the table of the own; asked only where something was received: that is read from one index.
WITH_RECEIVED = {
    "observables": "(SELECT o.*, o.org_id AS viewer_id FROM observables o UNION ALL"
    " SELECT o.*, s.org_id AS viewer_id FROM observable_shares s JOIN observables o ON o.id = s.entity_id)",
    "jobs": "(SELECT j.*, j.org_id AS viewer_id FROM jobs j UNION ALL"
    " SELECT j.*, s.org_id AS viewer_id FROM observable_shares s JOIN jobs j ON j.observable_id = s.entity_id)",
    "actions": "(SELECT a.*, a.org_id AS viewer_id FROM actions a UNION ALL"
    " SELECT a.*, s.org_id AS viewer_id FROM case_shares s JOIN actions a ON a.case_id = s.case_id AND a.org_id <> s.org_id)",
    "audit": "(SELECT a.*, a.org_id AS viewer_id FROM audit a UNION ALL"
    " SELECT a.*, s.org_id AS viewer_id FROM case_shares s JOIN audit a ON a.case_id = s.case_id AND a.org_id <> s.org_id)",
}

JOB = Entity(
    kind="job",
    table="jobs",
    org=None,
    date="created_at",
    fields={
        **common(),
        **texts(
            status="status", analyzerId="worker_id", analyzerName="worker_name", analyzerDefinition="definition",
            cortexId="server", cortexJobId="cortex_job_id", errorMessage="error",
        ),
        **numbers(startDate="start_date", endDate="end_date"),
        **ids(observableId="observable_id"),
    },
    texts=("analyzerName", "analyzerDefinition", "errorMessage"),
    match=REPORT_WORDS,
)  # fmt: skip

COMMENT = Entity(
    kind="comment",
    table="comments",
    org=None,
    fields={
        **common(),
        **texts(createdBy="created_by", updatedBy="updated_by"),
        "message": prose("message", words=COMMENT_WORDS),
        **numbers(createdAt="created_at", updatedAt="updated_at"),
        **flags(external="external"),
        "isEdited": Field("({t}.updated_at IS NOT NULL)", "boolean"),
        **ids(caseId="case_id", alertId="alert_id"),
    },
    texts=("message",),
    match=COMMENT_WORDS,
)

PAGE = Entity(
    kind="page",
    table="pages",
    org=None,
    fields={
        **common(),
        "title": prose("title", words=PART_WORDS),
        "content": prose("content", words=PART_WORDS),
        **texts(category="category"),
        **numbers(order="ord"),
        **ids(caseId="case_id"),
    },
    texts=("title", "content"),
    match=PART_WORDS,
)

PAGE_TEMPLATE = Entity(
    kind="page template",
    table="page_templates",
    fields={**common(), **texts(title="title", content="content", category="category"), **numbers(order="ord")},
    texts=("title", "content"),
)

# As `procedures.catalogue.tactic_label` writes it.
TACTIC_LABEL = "initcap(replace({t}.tactic, '-', ' '))"
for _small in ("And", "Of", "The"):
    TACTIC_LABEL = f"replace({TACTIC_LABEL}, ' {_small} ', ' {_small.lower()} ')"

PROCEDURE = Entity(
    kind="procedure",
    table="procedures",
    org=None,
    fields={
        **common(),
        **texts(patternId="pattern_id", tactic="tactic", description="description"),
        "patternName": Field("(SELECT p.name FROM patterns p WHERE p.pattern_id = {t}.pattern_id)"),
        "tacticLabel": Field(TACTIC_LABEL),
        **numbers(occurDate="occur_date"),
        **ids(caseId="case_id", alertId="alert_id"),
    },
    texts=("patternId", "description"),
)

PATTERN = Entity(
    kind="pattern",
    table="patterns",
    org=None,
    fields={
        **common(),
        **texts(patternId="pattern_id", name="name", description="description", url="url", parent="parent", catalog="catalog"),
        **flags(revoked="revoked"),
        "tactics": Field("{t}.tactics", "list"),
        "platforms": Field("{t}.platforms", "list"),
        "dataSources": Field("{t}.data_sources", "list"),
    },
    texts=("patternId", "name"),
)

CATALOG = Entity(
    kind="catalog",
    table="pattern_catalogs",
    org=None,
    fields={**common(), **texts(name="name", description="description", variant="variant")},
    texts=("name", "description"),
)

CUSTOM_EVENT = Entity(
    kind="custom event",
    table="custom_events",
    org=None,
    fields={
        **common(),
        **texts(title="title", description="description"),
        **numbers(date="date", endDate="end_date"),
        **ids(caseId="case_id"),
    },
    texts=("title", "description"),
)

TEMPLATE = Entity(
    kind="case template",
    table="case_templates",
    fields={
        **common(),
        **texts(
            name="name", displayName="display_name", titlePrefix="title_prefix", description="description", summary="summary"
        ),
        **numbers(severity="severity"),
        **flags(flag="flag"),
        **markings(),
        **labels(),
        "tags": Field("{t}.tags", "list"),
    },
    texts=("name", "displayName"),
)

ATTACHMENT = Entity(
    kind="attachment",
    table="attachments",
    org=None,
    fields={
        **common(),
        **texts(name="name", contentType="content_type"),
        **numbers(size="size"),
        "id": Field("encode({t}.sha256, 'hex')"),
        "hashes": HASHES,
    },
    texts=("name",),
)

ORGANISATION = Entity(
    kind="organisation",
    table=VISIBLE_ORGANISATIONS,
    org=None,
    fields={
        **common(),
        **texts(name="name", description="description", taskRule="task_rule", observableRule="observable_rule"),
        **flags(locked="locked"),
    },
    texts=("name", "description"),
)

PROFILE = Entity(
    kind="profile",
    table="profiles",
    org=None,
    fields={
        **common(),
        **texts(name="name", type="kind"),
        **flags(editable="editable"),
        "forAdmin": Field("({t}.kind = 'Admin')", "boolean"),
        "forOrg": Field("({t}.kind = 'Organisation')", "boolean"),
        "forExternal": Field("({t}.kind = 'External')", "boolean"),
        "permissions": Field("{t}.permissions", "list"),
    },
    texts=("name",),
)

SHARE = Entity(
    kind="share",
    table="visible_shares",
    org=None,
    fields={
        "_id": Field("{t}.id", "id"),
        **texts(
            organisationName="organisation",
            profileName="profile",
            taskRule="task_rule",
            observableRule="observable_rule",
            _createdBy="created_by",
        ),
        **numbers(_createdAt="created_at", caseNumber="case_number"),
        **ids(caseId="case_id", organisationId="org_id"),
        **flags(owner="owner"),
    },
    texts=("organisationName",),
)

HERE = (
    "FROM memberships m JOIN profiles p ON p.id = m.profile_id JOIN organisations o ON o.id = m.org_id WHERE m.user_id = {t}.id"
)
ACTING = f"{HERE} AND m.org_id = (SELECT waggle_org())"

USER = Entity(
    kind="user",
    table="(SELECT u.* FROM users u WHERE EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id))",
    org=None,
    fields={
        **common(),
        **texts(login="login", name="name", email="email", type="kind"),
        **flags(locked="locked"),
        "profile": Field(f"(SELECT p.name {ACTING})"),
        "permissions": Field(f"(SELECT p.permissions {ACTING})", "list"),
        "organisation": Field(f"(SELECT o.name {ACTING})"),
        "organisations": Field(f"ARRAY(SELECT o.name {HERE})", "list"),
        "defaultOrganisation": Field("(SELECT o.name FROM organisations o WHERE o.id = {t}.default_org_id)"),
        "hasKey": Field("EXISTS (SELECT FROM api_keys k WHERE k.user_id = {t}.id)", "boolean"),
        "hasPassword": Field("({t}.password_hash IS NOT NULL)", "boolean"),
    },
    texts=("login", "name"),
)
