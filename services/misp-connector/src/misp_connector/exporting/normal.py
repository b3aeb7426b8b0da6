"""What MISP makes of a value when it saves it (contract misp §3.5), as far as comparing needs it."""

from __future__ import annotations

import ipaddress
import re

_HASHES = re.compile(
    r"(filename\|)?(md5|sha1|sha224|sha256|sha384|sha512|sha512/224|sha512/256|sha3-.*|imphash|pehash|authentihash|vhash|cdhash|telfhash)"
)
_LOWER = frozenset(
    {
        "domain", "hostname", "onion-address", "email", "email-src", "email-dst", "email-reply-to", "target-email",
        "whois-registrant-email", "dns-soa-email", "jabber-id", "eppn",
    }
)  # fmt: skip
_PORT = re.compile(r"(?P<host>.+?)[|:](?P<port>\d+)")


def normal(kind: str, value: str) -> str:
    """The value as MISP would store it under that type."""
    text = value.strip()
    if kind in _LOWER:
        text = text.lower()
        return text.strip(".") if kind == "domain" else text
    if _HASHES.fullmatch(kind):
        name, found, digest = text.rpartition("|")
        return f"{name}{found}{digest.lower()}"
    match kind:
        case "ip-src" | "ip-dst":
            return _address(text)
        case "ip-src|port" | "ip-dst|port" | "hostname|port":
            split = _PORT.fullmatch(text.replace("[", "").replace("]", ""))
            return f"{_address(split['host'])}|{split['port']}" if split else text
        case "domain|ip":
            name, found, address = text.rpartition("|")
            return f"{name.lower().strip('.')}{found}{_address(address)}"
        case "AS":
            return _autonomous_system(text)
        case "vulnerability" | "weakness":
            return text.upper()
        case "malware-sample":
            name, found, digest = text.rpartition("|")
            return f"{name}{found}{digest.lower()}"
        case "mac-address":
            digits = re.sub(r"[^0-9a-f]", "", text.lower())
            return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))
        case "x509-fingerprint-md5" | "x509-fingerprint-sha1" | "x509-fingerprint-sha256":
            return text.replace(":", "").lower()
    return text


def _address(text: str) -> str:
    """Compressed, without the prefix of a single address; anything else in lower case."""
    try:
        return ipaddress.ip_interface(text).compressed.removesuffix("/32").removesuffix("/128")
    except ValueError:
        return text.lower()


def _autonomous_system(text: str) -> str:
    digits = text.upper().removeprefix("AS").strip()
    high, dot, low = digits.partition(".")
    if dot and high.isdigit() and low.isdigit():
        return str(int(high) * 65536 + int(low))
    return digits
