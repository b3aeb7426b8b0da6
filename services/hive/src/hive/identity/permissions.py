"""Permissions by their exact names (contracts hive-v1 §5.12) and what the built-in profiles hold."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    CASE_CREATE = "manageCase/create"
    CASE_UPDATE = "manageCase/update"
    CASE_DELETE = "manageCase/delete"
    CASE_MERGE = "manageCase/merge"
    CASE_REOPEN = "manageCase/reopen"
    CASE_CHANGE_OWNERSHIP = "manageCase/changeOwnership"
    ALERT_CREATE = "manageAlert/create"
    ALERT_UPDATE = "manageAlert/update"
    ALERT_DELETE = "manageAlert/delete"
    ALERT_IMPORT = "manageAlert/import"
    ALERT_REOPEN = "manageAlert/reopen"
    OBSERVABLE = "manageObservable"
    TASK = "manageTask"
    COMMENT = "manageComment"
    PAGE = "managePage"
    PAGE_TEMPLATE = "managePageTemplate"
    PROCEDURE = "manageProcedure"
    SHARE = "manageShare"
    ANALYSE = "manageAnalyse"
    ACTION = "manageAction"
    CUSTOM_EVENT = "manageCustomEvent"
    CASE_TEMPLATE = "manageCaseTemplate"
    TAG = "manageTag"
    USER = "manageUser"
    CONFIG = "manageConfig"
    DASHBOARD = "manageDashboard"
    KNOWLEDGE_BASE = "manageKnowledgeBase"
    FUNCTION_CREATE = "manageFunction/create"
    FUNCTION_INVOKE = "manageFunction/invoke"
    CASE_ACCESS_RESTRICT = "manageCaseAccess/restrict"
    CASE_ACCESS_EXTERNAL = "manageCaseAccess/external"
    CASE_REPORT = "manageCaseReport"
    CASE_REPORT_TEMPLATE = "manageCaseReportTemplate"
    FILE_SYSTEM = "accessTheHiveFS"
    ORGANISATION = "manageOrganisation"
    PROFILE = "manageProfile"
    CUSTOM_FIELD = "manageCustomField"
    OBSERVABLE_TEMPLATE = "manageObservableTemplate"
    ANALYZER_TEMPLATE = "manageAnalyzerTemplate"
    PATTERN = "managePattern"
    TAXONOMY = "manageTaxonomy"
    PLATFORM = "managePlatform"


P = Permission
ADMINISTRATION = frozenset(
    {
        P.ORGANISATION, P.USER, P.PROFILE, P.CUSTOM_FIELD, P.OBSERVABLE_TEMPLATE,
        P.ANALYZER_TEMPLATE, P.PATTERN, P.TAXONOMY, P.PLATFORM, P.CONFIG,
    }
)  # fmt: skip
ORGANISATION_WIDE = frozenset(P) - (ADMINISTRATION - {P.USER, P.CONFIG})
ANALYST = frozenset(
    {
        P.CASE_CREATE, P.CASE_UPDATE, P.CASE_DELETE, P.CASE_MERGE, P.CASE_REOPEN,
        P.ALERT_CREATE, P.ALERT_UPDATE, P.ALERT_DELETE, P.ALERT_IMPORT, P.ALERT_REOPEN,
        P.OBSERVABLE, P.TASK, P.COMMENT, P.PAGE, P.PROCEDURE, P.SHARE, P.ANALYSE, P.ACTION,
        P.CUSTOM_EVENT, P.CASE_REPORT, P.KNOWLEDGE_BASE,
    }
)  # fmt: skip

ADMIN_ORGANISATION = "admin"
BUILT_IN_PROFILES: dict[str, tuple[str, frozenset[Permission]]] = {
    "admin": ("Admin", ADMINISTRATION),
    "org-admin": ("Organisation", ORGANISATION_WIDE),
    "analyst": ("Organisation", ANALYST),
    "read-only": ("Organisation", frozenset()),
}


def expanded(names: Iterable[str]) -> frozenset[str]:
    """The permissions that names stand for: the old plain `manageCase` means the whole family. Raises KeyError for others."""
    found: set[str] = set()
    for name in names:
        family = {str(p) for p in P if p == name or p.startswith(f"{name}/")}
        if not family:
            raise KeyError(name)
        found |= family
    return frozenset(found)
