"""Observable → attribute: which category and type a value has in MISP (contract misp §3.4, column "Ours")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

NETWORK, PAYLOAD = "Network activity", "Payload delivery"

_PLAIN: Final[Mapping[str, tuple[str, str]]] = {
    "ip": (NETWORK, "ip-dst"),
    "domain": (NETWORK, "domain"),
    "fqdn": (NETWORK, "hostname"),
    "hostname": (NETWORK, "hostname"),
    "url": (NETWORK, "url"),
    "uri_path": (NETWORK, "uri"),
    "user-agent": (NETWORK, "user-agent"),
    "autonomous-system": (NETWORK, "AS"),
    "mail": (PAYLOAD, "email-src"),
    "mail_subject": (PAYLOAD, "email-subject"),
    "mail-subject": (PAYLOAD, "email-subject"),
    "filename": (PAYLOAD, "filename"),
    "registry": ("Persistence mechanism", "regkey"),
}
_HEX_HASHES: Final = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_OTHER: Final = ("Other", "other")
_HEX = re.compile(r"[0-9a-fA-F]+")
_SSDEEP = re.compile(r"\d+:[^:]*:[^:]*")
_TLSH = re.compile(r"(T1)?[0-9a-fA-F]{70}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)
_CWE = re.compile(r"CWE-\d+", re.IGNORECASE)


def attribute_type(data_type: str, data: str) -> tuple[str, str]:
    """Category and type of a value; a data type of hive's own is `other`, so that nothing is dropped."""
    value = data.strip()
    if data_type == "hash":
        return _hash(value)
    if data_type == "other":
        if _CVE.fullmatch(value):
            return "External analysis", "vulnerability"
        return ("External analysis", "weakness") if _CWE.fullmatch(value) else _OTHER
    return _PLAIN.get(data_type, _OTHER)


def _hash(value: str) -> tuple[str, str]:
    if _HEX.fullmatch(value) and len(value) in _HEX_HASHES:
        return PAYLOAD, _HEX_HASHES[len(value)]
    if _SSDEEP.fullmatch(value):
        return PAYLOAD, "ssdeep"
    return (PAYLOAD, "tlsh") if _TLSH.fullmatch(value) else _OTHER


@lru_cache(1)
def _categories() -> dict[str, frozenset[str]]:
    described = json.loads(files("pymisp").joinpath("data", "describeTypes.json").read_bytes())
    return {name: frozenset(types) for name, types in described["result"]["category_type_mappings"].items()}


def valid_pair(category: str, kind: str) -> bool:
    """Whether MISP takes the type in that category (`describeTypes.json` as PyMISP packages it)."""
    return kind in _categories().get(category, frozenset())


@lru_cache(64)
def template_of(name: str) -> dict[str, Any] | None:
    """The definition of a MISP object by its name, as PyMISP packages it; None for a name it does not know."""
    if not re.fullmatch(r"[a-z0-9-]+", name):
        return None
    place = files("pymisp").joinpath("data", "misp-objects", "objects", name, "definition.json")
    if not place.is_file():
        return None
    found: dict[str, Any] = json.loads(place.read_bytes())
    return found
