"""TheHive's spellings of an instance's settings, so that a configuration can be taken over as it is (contract misp §1.1).

TheHive 4 lost settings by reading other names than it documented; here every spelling it ever had is understood, and what is
still unknown is refused like any unknown key.
"""

from __future__ import annotations

from typing import Any

_OPTIONS = {
    "caseTemplate": "case_template",
    "max-age": "max_age",
    "maxAge": "max_age",
    "max-attributes": "max_attributes",
    "maxAttributes": "max_attributes",
    "max-size": "max_size",
    "maxSize": "max_size",
    "syncInterval": "interval",
    "syncInitialDelay": "initial_delay",
    "tags": "alert_tags",
    "exportCaseTags": "export_case_tags",
    "exportObservableTags": "export_observable_tags",
}
_LISTS = {
    ("exclusion", "organisation"): "exclude_orgs",
    ("exclusion", "organisations"): "exclude_orgs",
    ("exclusion", "tags"): "exclude_tags",
    ("whitelist", "organisation"): "include_orgs",
    ("whitelist", "organisations"): "include_orgs",
    ("whitelist", "tags"): "include_tags",
}


def translated(values: dict[str, Any]) -> dict[str, Any]:
    """The same settings in our words. What is not TheHive's stays as it is, for the model to accept or refuse."""
    found = dict(values)
    if not isinstance(found.get("options", {}), dict):
        return found
    options = dict(found.get("options", {}))
    for theirs, ours in _OPTIONS.items():
        if theirs in found:
            options[ours] = found.pop(theirs)
    for block in ("exclusion", "whitelist"):
        given = found.get(block)
        if isinstance(given, dict) and all((block, name) in _LISTS for name in given):
            options |= {_LISTS[block, name]: value for name, value in found.pop(block).items()}
    if "includedTheHiveOrganisations" in found:
        named = found.pop("includedTheHiveOrganisations")
        options["organisations"] = [] if named == ["*"] else named
    auth = found.get("auth")
    if isinstance(auth, dict) and auth.get("type", "key") == "key" and set(auth) <= {"type", "key"}:
        found["key"] = found.pop("auth").get("key")
    return {**found, "options": options} if options else found
