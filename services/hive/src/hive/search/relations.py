"""The steps of a v1 query from objects to others, and the order of lists that nobody asks for another one (hive-v1 §4.3)."""

from __future__ import annotations

from hive.search import catalogues as c
from hive.search import machinery as m
from hive.search import registers as r
from waggle.query import Entity, SortKey

# Two observables that are the same thing, neither of them set to be ignored.
TWINS = (
    "FROM observables x JOIN observables y ON y.org_id = x.org_id AND y.value_key = x.value_key AND y.data_type = x.data_type"
    " AND NOT x.ignore_similarity AND NOT y.ignore_similarity"
)
# From a kind, by step: the kind that comes next, and how its rows hang on the ids of those so far.
RELATED: dict[tuple[str, str], tuple[Entity, str]] = {
    ("alert", "observables"): (r.OBSERVABLE, "{t}.alert_id IN ({ids})"),
    ("alert", "attachments"): (r.ATTACHMENT, "{t}.alert_id IN ({ids})"),
    ("alert", "comments"): (r.COMMENT, "{t}.alert_id IN ({ids})"),
    ("alert", "procedures"): (r.PROCEDURE, "{t}.alert_id IN ({ids})"),
    ("alert", "case"): (r.CASE, "{t}.id IN (SELECT a.case_id FROM alerts a WHERE a.id IN ({ids}))"),
    ("case", "observables"): (r.OBSERVABLE, "{t}.case_id IN ({ids})"),
    ("case", "tasks"): (r.TASK, "{t}.case_id IN ({ids})"),
    ("case", "alerts"): (r.ALERT, "{t}.case_id IN ({ids})"),
    ("case", "attachments"): (r.ATTACHMENT, "{t}.case_id IN ({ids}) AND {t}.log_id IS NULL"),
    ("case", "comments"): (r.COMMENT, "{t}.case_id IN ({ids})"),
    ("case", "allComments"): (
        r.COMMENT,
        "{t}.case_id IN ({ids}) OR {t}.alert_id IN (SELECT a.id FROM alerts a WHERE a.case_id IN ({ids}))",
    ),
    ("case", "pages"): (r.PAGE, "{t}.case_id IN ({ids})"),
    ("case", "procedures"): (r.PROCEDURE, "{t}.case_id IN ({ids})"),
    ("case", "customEvents"): (r.CUSTOM_EVENT, "{t}.case_id IN ({ids})"),
    ("case template", "pageTemplates"): (
        r.PAGE_TEMPLATE,
        "{t}.id IN (SELECT l.page_template_id FROM case_template_pages l WHERE l.template_id IN ({ids}))",
    ),
    ("organisation", "attachments"): (
        r.ATTACHMENT,
        "{t}.org_id IN ({ids}) AND num_nonnulls({t}.alert_id, {t}.case_id, {t}.log_id) = 0",
    ),
    ("procedure", "case"): (r.CASE, "{t}.id IN (SELECT p.case_id FROM procedures p WHERE p.id IN ({ids}))"),
    ("procedure", "alert"): (r.ALERT, "{t}.id IN (SELECT p.alert_id FROM procedures p WHERE p.id IN ({ids}))"),
    ("procedure", "pattern"): (r.PATTERN, "{t}.pattern_id IN (SELECT p.pattern_id FROM procedures p WHERE p.id IN ({ids}))"),
    ("catalog", "patterns"): (r.PATTERN, "{t}.catalog IN (SELECT c.name FROM pattern_catalogs c WHERE c.id IN ({ids}))"),
    ("task", "logs"): (r.LOG, "{t}.task_id IN ({ids})"),
    ("task", "case"): (r.CASE, "{t}.id IN (SELECT k.case_id FROM tasks k WHERE k.id IN ({ids}))"),
    ("log", "attachments"): (r.ATTACHMENT, "{t}.log_id IN ({ids})"),
    ("observable", "jobs"): (r.JOB, "{t}.observable_id IN ({ids})"),
    ("observable", "case"): (r.CASE, "{t}.id IN (SELECT o.case_id FROM observables o WHERE o.id IN ({ids}))"),
    ("observable", "alert"): (r.ALERT, "{t}.id IN (SELECT o.alert_id FROM observables o WHERE o.id IN ({ids}))"),
    ("alert", "actions"): (m.ACTION, "{t}.object_id IN ({ids})"),
    ("case", "actions"): (m.ACTION, "{t}.object_id IN ({ids})"),
    ("task", "actions"): (m.ACTION, "{t}.object_id IN ({ids})"),
    ("log", "actions"): (m.ACTION, "{t}.object_id IN ({ids})"),
    ("observable", "actions"): (m.ACTION, "{t}.object_id IN ({ids})"),
    ("job", "observable"): (r.OBSERVABLE, "{t}.id IN (SELECT j.observable_id FROM jobs j WHERE j.id IN ({ids}))"),
    ("case", "linkedCases"): (
        r.CASE,
        f"{{t}}.id IN (SELECT y.case_id {TWINS} WHERE x.case_id IN ({{ids}}) AND y.case_id <> x.case_id)",
    ),
    ("observable", "similar"): (
        r.OBSERVABLE,
        f"{{t}}.id IN (SELECT y.id {TWINS} WHERE x.id IN ({{ids}}) AND y.parent_id <> x.parent_id)",
    ),
    ("observable", "fromCase"): (r.OBSERVABLE, "{t}.id IN ({ids}) AND {t}.case_id IS NOT NULL"),
    ("observable", "fromAlert"): (r.OBSERVABLE, "{t}.id IN ({ids}) AND {t}.alert_id IS NOT NULL"),
    ("observable", "fromJobReport"): (
        r.OBSERVABLE,
        "{t}.id IN ({ids}) AND {t}.id IN (SELECT a.imported_id FROM job_artifacts a)",
    ),
    ("job", "reportObservables"): (
        r.OBSERVABLE,
        "{t}.id IN (SELECT a.imported_id FROM job_artifacts a WHERE a.job_id IN ({ids}))",
    ),
    ("page template", "caseTemplates"): (
        r.TEMPLATE,
        "{t}.id IN (SELECT l.template_id FROM case_template_pages l WHERE l.page_template_id IN ({ids}))",
    ),
    ("taxonomy", "tags"): (c.TAG, "{t}.taxonomy_id IN ({ids})"),
}
# Where no sort is asked for: parts of an object in the order they were made, other things by name; else newest first.
MADE = (SortKey("_id"),)
ORDERS: dict[str, tuple[SortKey, ...]] = {
    "task": (SortKey("order"),), "log": MADE, "attachment": MADE, "case template": (SortKey("name"),), "user": MADE,
    "organisation": MADE, "profile": MADE, "observable type": MADE, "custom field": MADE, "alert status": (SortKey("order"),),
    "case status": (SortKey("order"),), "tag": MADE, "taxonomy": (SortKey("namespace"),),
    "comment": MADE, "procedure": MADE, "page": (SortKey("order"),),
    "page template": (SortKey("order"),), "pattern": (SortKey("patternId"),), "catalog": (SortKey("name"),),
    "custom event": (SortKey("date"),), "share": MADE,
}  # fmt: skip
