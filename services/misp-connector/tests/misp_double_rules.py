"""What a MISP server makes of an attribute before it stores it: normalised, or refused with the field and the reason
(contract misp §3.5). Written from the contract, apart from the connector's own comparison."""

from __future__ import annotations

import base64
import hashlib
import io
import ipaddress
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pymisp

Json = dict[str, Any]

MAX_VALUE = 65_535
DESCRIBED = json.loads((Path(pymisp.__file__).parent / "data" / "describeTypes.json").read_text())["result"]
LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "imphash": 32, "authentihash": 64}
HOST = re.compile(r"(?=.{1,255}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)


class Bad(Exception):
    """The attribute is not stored. `field` is the column that MISP's answer names."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def stored_form(attribute: Json) -> Json:
    """Category, value and content as the server would keep them. Raises Bad."""
    kind, value = str(attribute.get("type") or ""), str(attribute.get("value") or "").strip()
    if kind not in DESCRIBED["types"]:
        raise Bad("type", "Options depend on the selected category.")
    category = attribute.get("category") or DESCRIBED["sane_defaults"][kind]["default_category"]
    if kind not in DESCRIBED["category_type_mappings"].get(category, []):
        raise Bad("type", "Options depend on the selected category.")
    if not value:
        raise Bad("value", "Value cannot be empty.")
    if len(value.encode()) > MAX_VALUE:
        raise Bad("value", "Value is too long.")
    form = {**attribute, "category": category, "value": _value(kind, value)}
    form.setdefault("to_ids", bool(DESCRIBED["sane_defaults"][kind]["to_ids"]))
    if kind == "malware-sample" and attribute.get("data"):
        form |= _sample(attribute, value)
    form.pop("encrypt", None)
    return form


def _value(kind: str, value: str) -> str:
    left, _, right = value.rpartition("|")
    if kind.startswith("filename|") or kind == "malware-sample":
        hashed = "md5" if kind == "malware-sample" else kind.partition("|")[2]
        if kind == "malware-sample" and "|" not in value:
            return value
        return f"{left}|{_hash(hashed, right)}"
    if kind in LENGTHS or kind == "ssdeep":
        return _hash(kind, value)
    match kind:
        case "ip-src" | "ip-dst":
            return _address(value)
        case "ip-src|port" | "ip-dst|port":
            return f"{_address(left)}|{_port(right)}"
        case "hostname|port":
            return f"{_host(left)}|{_port(right)}"
        case "domain|ip":
            return f"{_host(left.strip('.'))}|{_address(right)}"
        case "domain":
            return _host(value.strip("."))
        case "hostname":
            return _host(value)
        case "email-src" | "email-dst" | "email" | "email-reply-to" | "target-email" | "whois-registrant-email":
            if "@" not in value:
                raise Bad("value", "Email address has an invalid format.")
            return value.lower()
        case "link":
            if not re.match(r"[a-z]+://", value, re.IGNORECASE):
                raise Bad("value", "Link has to start with a scheme.")
        case "vulnerability":
            if not re.fullmatch(r"CVE-\d{4}-\d{4,}", value, re.IGNORECASE):
                raise Bad("value", "Invalid format. Expected: CVE-xxxx-xxxx...")
            return value.upper()
        case "weakness":
            return value.upper()
        case "AS":
            digits = value.upper().removeprefix("AS")
            if not digits.isdigit():
                raise Bad("value", "AS number is not valid.")
            return digits
        case "port":
            return _port(value)
    return value


def _hash(kind: str, value: str) -> str:
    if kind == "ssdeep":
        if value.count(":") != 2:
            raise Bad("value", "Invalid SSDeep hash.")
        return value
    wanted = LENGTHS.get(kind)
    if wanted and not re.fullmatch(rf"[0-9a-fA-F]{{{wanted}}}", value):
        raise Bad("value", "Checksum has an invalid length or format.")
    return value.lower() if wanted else value


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False)) if "/" in value else str(ipaddress.ip_address(value))
    except ValueError:
        raise Bad("value", "IP address has an invalid format.") from None


def _host(value: str) -> str:
    if not HOST.fullmatch(value):
        raise Bad("value", "Domain name has an invalid format.")
    return value.lower()


def _port(value: str) -> str:
    if not value.isdigit() or not 1 <= int(value) <= 65_535:
        raise Bad("value", "Port numbers have to be integers between 1 and 65535.")
    return value


def _sample(attribute: Json, value: str) -> Json:
    """Packed as MISP packs it; the double leaves the archive open, because the standard library cannot encrypt one."""
    content = base64.b64decode(attribute["data"])
    if not attribute.get("encrypt"):
        if not zipfile.is_zipfile(io.BytesIO(content)):
            raise Bad("data", "The sample is not in an archive.")
        return {}
    name = value.partition("|")[0]
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(digest, content)
        archive.writestr(f"{digest}.filename.txt", name)
    return {"value": f"{name}|{digest}", "data": base64.b64encode(packed.getvalue()).decode()}
