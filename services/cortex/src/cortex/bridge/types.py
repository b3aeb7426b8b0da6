"""Which of MISP's types a module is asked with, for a value of one of our data types: contracts/misp.md §6.4."""

from __future__ import annotations

import re

from cortex.misp.types import HASH_BY_LENGTH

SENT: dict[str, tuple[str, ...]] = {
    "ip": ("ip-dst", "ip-src", "ip"),
    "domain": ("domain", "hostname"),
    "fqdn": ("hostname", "domain"),
    "hostname": ("hostname", "domain"),
    "url": ("url", "link", "uri"),
    "uri_path": ("uri", "url"),
    "mail": ("email-src", "email-dst", "email", "target-email", "whois-registrant-email"),
    "mail_subject": ("email-subject",),
    "mail-subject": ("email-subject",),
    "hash": ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ssdeep", "tlsh"),
    "filename": ("filename",),
    "file": ("attachment", "malware-sample"),
    "registry": ("regkey", "regkey|value"),
    "user-agent": ("user-agent",),
    "autonomous-system": ("AS",),
    "regexp": ("pattern-in-file", "text"),
}
OTHER: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("vulnerability", re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)),
    ("cpe", re.compile(r"cpe:(/|2\.3:)\S+", re.IGNORECASE)),
    ("mac-address", re.compile(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}", re.IGNORECASE)),
    ("btc", re.compile(r"(bc1[02-9ac-hj-np-z]{8,87}|[13][1-9A-HJ-NP-Za-km-z]{25,34})")),
    ("yara", re.compile(r"((private|global)\s+)*rule\s+\w+.*\{.*\}\s*", re.DOTALL)),
    ("stix2-pattern", re.compile(r"\[.+\].*", re.DOTALL)),
)
SSDEEP = re.compile(r"\d+:[A-Za-z0-9+/]+:[A-Za-z0-9+/]+")
TLSH = re.compile(r"(T1)?[0-9A-Fa-f]{70}")
_KNOWN = {misp for types in SENT.values() for misp in types}


def data_types_of(inputs: list[str]) -> list[str]:
    """The data types of an analyzer for a module that takes these types; `other` stands for those that no other one names."""
    found = [ours for ours, types in SENT.items() if not set(types).isdisjoint(inputs)]
    return [*found, "other"] if set(inputs) - _KNOWN or "text" in inputs else found


def misp_type_for(data_type: str, value: str, inputs: list[str]) -> str | None:
    """The type to ask with, None where the module takes none that fits."""
    if data_type == "hash":
        return next((t for t in [_hash_type(value)] if t in inputs), None)
    if data_type in SENT:
        return next((t for t in SENT[data_type] if t in inputs), None)
    fitting = [t for t, pattern in OTHER if pattern.fullmatch(value.strip())]
    usual = [t for t in inputs if t not in _KNOWN and t not in {name for name, _ in OTHER}]
    return next((t for t in [*fitting, "text", "other", *usual] if t in inputs), None)


def _hash_type(value: str) -> str | None:
    if TLSH.fullmatch(value):
        return "tlsh"
    return "ssdeep" if SSDEEP.fullmatch(value) else HASH_BY_LENGTH.get(len(value))
