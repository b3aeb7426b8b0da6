"""Observables of hive's own that belong together in one MISP object.

Analysts say so by a tag `misp:group="<template>:<label>"` on each of them: equal tags make one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from misp_connector.exporting.types import attribute_type

_TAG = re.compile(r'misp:group="(?P<template>[a-z-]+):(?P<label>[^"]{1,64})"')

_RELATIONS = {
    "domain-ip": {"domain": ("domain", "domain"), "fqdn": ("hostname", "hostname"), "ip": ("ip", "ip-dst")},
    "email": {
        "mail": ("from", "email-src"),
        "mail-subject": ("subject", "email-subject"),
        "mail_subject": ("subject", "email-subject"),
        "filename": ("attachment", "email-attachment"),
    },
    "file": {"filename": ("filename", "filename")},
}


def group_of(tags: Iterable[str]) -> tuple[str, str] | None:
    """Template and label of the object an observable belongs to."""
    found = next((match for tag in tags if (match := _TAG.fullmatch(tag))), None)
    return (found["template"], found["label"]) if found else None


def member_of(template: str, data_type: str, data: str) -> tuple[str, str] | None:
    """Relation and attribute type of a value in an object; None where the template has no place for it."""
    if template == "file" and data_type == "hash":
        _, kind = attribute_type(data_type, data)
        return (kind, kind) if kind != "other" else None
    return _RELATIONS.get(template, {}).get(data_type)
