"""Steps of the v1 query that lead to and from people, organisations and shares, and the sources that know who asks."""

from __future__ import annotations

from hive.identity.people import WORKING
from hive.search import registers as r
from waggle.query import Entity
from waggle.query.compiler import Compiler
from waggle.query.statement import Narrowing


def _where(condition: str) -> Narrowing:
    def narrow(compiler: Compiler) -> str:
        return condition.replace("{t}", compiler.alias)

    return narrow


def _assignable(compiler: Compiler) -> str:
    """Who can work on something of the organisation."""
    working = compiler.parameters.bind(WORKING, "text[]")
    return (
        f"(NOT {compiler.alias}.locked AND {compiler.alias}.id IN (SELECT m.user_id FROM memberships m"
        f" JOIN profiles p ON p.id = m.profile_id WHERE m.org_id = (SELECT waggle_org()) AND p.permissions && {working}))"
    )


# Without `list` or `get` in their names.
SOURCES: dict[str, tuple[Entity, Narrowing | None]] = {
    "currentUser": (r.USER, _where("{t}.id = (SELECT waggle_user())")),
    "listVisibleUsers": (r.USER, _where("NOT {t}.locked")),
    "listCaseTask": (r.TASK, None),
    "waitingTasks": (r.TASK, _where("{t}.status = 'Waiting'")),
    "myTasks": (r.TASK, _where("{t}.assignee_id = (SELECT waggle_user()) AND {t}.status IN ('Waiting', 'InProgress')")),
}
TASK_SHARED = "({t}.owner OR {t}.org_id IN (SELECT receivers_of_task(x.id)))"
OBSERVABLE_SHARED = "({t}.owner OR {t}.org_id IN (SELECT receivers_of_observable(x.id)))"
RELATED: dict[tuple[str, str], tuple[Entity, str]] = {
    ("case", "shares"): (r.SHARE, "{t}.case_id IN ({ids})"),
    ("case", "organisations"): (r.ORGANISATION, "{t}.id IN (SELECT s.org_id FROM visible_shares s WHERE s.case_id IN ({ids}))"),
    ("task", "shares"): (
        r.SHARE, f"EXISTS (SELECT FROM tasks x WHERE x.id IN ({{ids}}) AND x.case_id = {{t}}.case_id AND {TASK_SHARED})"
    ),
    ("observable", "shares"): (
        r.SHARE, f"EXISTS (SELECT FROM observables x WHERE x.id IN ({{ids}})"
        f" AND x.case_id = {{t}}.case_id AND {OBSERVABLE_SHARED})"
    ),
    ("task", "organisations"): (
        r.ORGANISATION, "{t}.id IN (SELECT x.org_id FROM tasks x WHERE x.id IN ({ids}) UNION ALL"
        " SELECT g FROM tasks x CROSS JOIN LATERAL receivers_of_task(x.id) g WHERE x.id IN ({ids}))",
    ),
    ("observable", "organisations"): (
        r.ORGANISATION, "{t}.id IN (SELECT x.org_id FROM observables x WHERE x.id IN ({ids}) UNION ALL"
        " SELECT g FROM observables x CROSS JOIN LATERAL receivers_of_observable(x.id) g WHERE x.id IN ({ids}))",
    ),
    ("organisation", "visible"): (
        r.ORGANISATION, "({t}.id IN ({ids})"
        " OR {t}.id IN (SELECT l.other_org_id FROM organisation_links l WHERE l.org_id IN ({ids})))"
    ),
    ("share", "case"): (r.CASE, "{t}.id IN (SELECT s.case_id FROM visible_shares s WHERE s.id IN ({ids}))"),
    ("share", "organisation"): (r.ORGANISATION, "{t}.id IN (SELECT s.org_id FROM visible_shares s WHERE s.id IN ({ids}))"),
    ("share", "tasks"): (
        r.TASK,
        "EXISTS (SELECT FROM visible_shares s WHERE s.id IN ({ids}) AND s.case_id = {t}.case_id"
        " AND (s.owner OR s.org_id IN (SELECT receivers_of_task({t}.id))))",
    ),
    ("share", "observables"): (
        r.OBSERVABLE,
        "EXISTS (SELECT FROM visible_shares s WHERE s.id IN ({ids}) AND s.case_id = {t}.case_id"
        " AND (s.owner OR s.org_id IN (SELECT receivers_of_observable({t}.id))))",
    ),
    ("organisation", "users"): (r.USER, "{t}.id IN (SELECT m.user_id FROM memberships m WHERE m.org_id IN ({ids}))"),
    ("organisation", "caseTemplates"): (r.TEMPLATE, "{t}.org_id IN ({ids})"),
    ("organisation", "alerts"): (r.ALERT, "{t}.org_id IN ({ids})"),
    ("user", "tasks"): (r.TASK, "{t}.assignee_id IN ({ids})"),
    ("user", "cases"): (r.CASE, "{t}.assignee_id IN ({ids})"),
    ("user", "alerts"): (r.ALERT, "{t}.assignee_id IN ({ids})"),
    ("task", "inCase"): (r.TASK, "{t}.id IN ({ids})"),
}  # fmt: skip
# What anybody of the organisation could be given, whatever object it is asked of.
ASSIGNABLE = {("case", "assignableUsers"), ("alert", "assignableUsers"), ("task", "assignableUsers")}
assignable: Narrowing = _assignable
