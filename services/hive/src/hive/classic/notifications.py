"""Which changes an organisation has told to which webhook (contracts hive-v0 §5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hive.settings import Settings, Webhook
from waggle.errors import InvalidFields

PATH = "notification"
TRIGGERS = (
    "AnyEvent",
    "AlertCreated",
    "CaseCreated",
    "CaseShared",
    "JobFinished",
    "LogInMyTask",
    "TaskAssigned",
    "FilteredEvent",
)
MOST = 100


def check(settings: Settings, value: Any) -> None:
    """Raises InvalidFields for what is no list of notifications to webhooks that there are."""
    if not isinstance(value, list) or len(value) > MOST:
        raise InvalidFields.invalid("value", f"a list of at most {MOST} notifications is needed")
    known = {one.name for one in settings.webhooks}
    for one in value:
        trigger, notifier = (one.get(part) if isinstance(one, dict) else None for part in ("trigger", "notifier"))
        if not isinstance(trigger, dict) or trigger.get("name") not in TRIGGERS:
            raise InvalidFields.invalid("value", f"trigger.name is one of {', '.join(TRIGGERS)}")
        if not isinstance(notifier, dict) or notifier.get("name") != "webhook":
            raise InvalidFields.invalid("value", "notifier.name is webhook")
        if notifier.get("endpoint") not in known:
            named = ", ".join(sorted(known)) or "none"
            raise InvalidFields.invalid("value", f"notifier.endpoint names a webhook of the settings; there are: {named}")


def wants(value: Any, webhook: Webhook, record: Mapping[str, Any]) -> bool:
    """Whether one of an organisation's notifications asks for this change at this webhook."""
    for one in value if isinstance(value, list) else ():
        if one["notifier"].get("endpoint") == webhook.name and _triggered(one["trigger"], record):
            return True
    return False


def _triggered(trigger: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    kind, created, details = record["objectType"], record["operation"] == "Creation", record["details"]
    match trigger["name"]:
        case "AlertCreated":
            return created and kind in ("alert",)
        case "CaseCreated":
            return created and kind in ("case",)
        case "CaseShared":
            return created and kind in ("share",)
        case "JobFinished":
            return kind in ("case_artifact_job",) and details.get("status") in ("Success", "Failure")
        case "LogInMyTask":
            return created and kind in ("case_task_log",)
        case "TaskAssigned":
            return kind in ("case_task",) and bool(details.get("owner"))
        case "FilteredEvent":
            return _fits(trigger.get("filter"), record)
    return True


def _fits(wanted: Any, record: Mapping[str, Any]) -> bool:
    """A filter over a change's own keys: equalities, `_and`, `_or`, `_not`."""
    if not isinstance(wanted, dict) or not wanted:
        return True
    if "_field" in wanted:
        return bool(_value(record, str(wanted["_field"])) == wanted.get("_value"))
    return all(_part(name, value, record) for name, value in wanted.items())


def _part(name: str, value: Any, record: Mapping[str, Any]) -> bool:
    if name in ("_and", "_or"):
        parts: Iterable[bool] = (_fits(one, record) for one in value) if isinstance(value, list) else ()
        return all(parts) if name == "_and" else any(parts)
    if name == "_not":
        return not _fits(value, record)
    if name == "_is":
        return _fits(value, record)
    return bool(_value(record, name) == value)


def _value(record: Mapping[str, Any], path: str) -> Any:
    at: Any = record
    for part in path.split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    return at
