"""A small case tool of its own for the query tests: alerts with tags and custom fields, cases with tasks."""

from __future__ import annotations

from waggle.query import Entity, Field, Relation, Side

SCHEMA = """
CREATE TABLE cases (id bigint PRIMARY KEY, org_id bigint NOT NULL, number bigint NOT NULL, title text NOT NULL,
  stage text NOT NULL, start_date bigint NOT NULL);
CREATE TABLE tasks (id bigint PRIMARY KEY, org_id bigint NOT NULL, case_id bigint NOT NULL, title text NOT NULL);
CREATE TABLE alerts (id bigint PRIMARY KEY, org_id bigint NOT NULL, title text NOT NULL, description text,
  severity smallint NOT NULL, tlp text NOT NULL, date bigint NOT NULL, read boolean NOT NULL DEFAULT false, case_id bigint,
  tags text[] NOT NULL DEFAULT '{}', assignee text, score float8);
CREATE INDEX ON alerts (org_id, date DESC, id DESC);
CREATE TABLE alert_tags (org_id bigint NOT NULL, tag text NOT NULL, date bigint NOT NULL, alert_id bigint NOT NULL);
CREATE UNIQUE INDEX ON alert_tags (org_id, tag, date DESC, alert_id DESC);
CREATE INDEX ON alert_tags (alert_id);
CREATE TABLE alert_fields (id bigint PRIMARY KEY, org_id bigint NOT NULL, field_no int NOT NULL, alert_id bigint NOT NULL,
  key text, number float8, date bigint NOT NULL);
CREATE INDEX ON alert_fields (org_id, field_no, key, date DESC, alert_id DESC);
"""

TLP_V1 = {0: ("CLEAR",), 1: ("GREEN",), 2: ("AMBER",), 3: ("AMBER+STRICT",), 4: ("RED",)}
TLP_V0 = {0: ("CLEAR",), 1: ("GREEN",), 2: ("AMBER", "AMBER+STRICT"), 3: ("RED",)}

TAGS = Side("alert_tags", "alert_id", "tag", date="date")
CUSTOM = {"business-unit": (1, "key"), "affected-hosts": (2, "number")}


def custom_field(name: str) -> Field | None:
    """`customFields.<name>`, as its definition says: a text in `key`, a number in `number`."""
    number, column = CUSTOM.get(name.removeprefix("customFields."), (0, ""))
    if not number or not name.startswith("customFields."):
        return None
    side = Side("alert_fields", "alert_id", column, date="date", fixed={"field_no": number}, row="id")
    return Field("", "text" if column == "key" else "float", side=side)


def _cases() -> Entity:
    return CASES


def _tasks() -> Entity:
    return TASKS


ALERTS = Entity(
    kind="alert",
    table="alerts",
    date="date",
    fields={
        "_id": Field("{t}.id", "id"),
        "title": Field("{t}.title"),
        "description": Field("{t}.description"),
        "severity": Field("{t}.severity", "integer"),
        "tlp": Field("{t}.tlp", "scale", words=TLP_V1),
        "date": Field("{t}.date", "integer"),
        "read": Field("{t}.read", "boolean"),
        "tags": Field("{t}.tags", "list", side=TAGS),
        "tagList": Field("{t}.tags", "list"),
        "assignee": Field("{t}.assignee"),
        "score": Field("{t}.score", "float"),
        "caseId": Field("{t}.case_id", "id"),
        "status": Field(
            "CASE WHEN {t}.case_id IS NOT NULL THEN 'Imported' WHEN {t}.read THEN 'Ignored' ELSE 'New' END",
            "computed",
            cases={
                "New": "{t}.case_id IS NULL AND NOT {t}.read",
                "Ignored": "{t}.case_id IS NULL AND {t}.read",
                "Imported": "{t}.case_id IS NOT NULL",
            },
        ),
    },
    texts=("title", "description"),
    custom=custom_field,
    parents={"case": Relation(_cases, "{other}.id = {t}.case_id")},
    ignored=frozenset({"template"}),
)
ALERTS_V0 = Entity(
    kind="alert",
    table="alerts",
    date="date",
    fields={**ALERTS.fields, "tlp": Field("{t}.tlp", "scale", words=TLP_V0)},
    texts=("title", "description"),
    custom=custom_field,
    parents={"case": Relation(_cases, "{other}.id = {t}.case_id")},
    ignored=frozenset({"template"}),
)
CASES = Entity(
    kind="case",
    table="cases",
    date="start_date",
    number="{t}.number",
    fields={
        "_id": Field("{t}.id", "id"),
        "caseId": Field("{t}.number", "integer"),
        "title": Field("{t}.title"),
        "startDate": Field("{t}.start_date", "integer"),
    },
    children={"case_task": Relation(_tasks, "{other}.case_id = {t}.id")},
)
TASKS = Entity(
    kind="case_task",
    table="tasks",
    fields={"_id": Field("{t}.id", "id"), "title": Field("{t}.title")},
    parents={"case": Relation(_cases, "{other}.id = {t}.case_id")},
)

# id, org, title, description, severity, tlp, date, read, case, tags, assignee, score
ROWS = [
    (1, 7, "Phishing mail", "from user@example.com today", 2, "AMBER", 1000, False, None, ["phishing", "mail"], "anna", 0.5),
    (2, 7, "Beacon 100%_x", None, 3, "RED", 2000, True, None, ["c2"], None, None),
    (3, 7, "phishing page", "clicked twice", 1, "GREEN", 3000, False, 50, ["phishing", "web"], "ben", 2.0),
    (4, 7, "Old scan", "nothing", 4, "AMBER+STRICT", 3000, False, None, [], "anna", -1.0),
    (5, 8, "Foreign", "phishing elsewhere", 2, "CLEAR", 4000, False, None, ["phishing"], "eve", 9.0),
]
# id, field_no, alert, key, number
VALUES = [
    (1, 1, 1, "finance", None),
    (2, 1, 1, "finance", None),
    (3, 1, 2, "it", None),
    (4, 2, 1, None, 10.0),
    (5, 2, 3, None, 3.0),
]
