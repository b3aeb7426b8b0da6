"""One attribute's type and value → the parts that become observables: the splitting rules, and nothing else.

Composites are split only where both halves are indicators (`filename|<hash>`, `domain|ip`). A port becomes a tag of its
host, a registry value a line of its key's message. Values are kept as received.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from misp_connector.mapping.type_table import DATA_TYPE, RULES, Rule

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BRACKETED = re.compile(r"\[(?P<host>[^\]]+)\](?:[:|](?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Part:
    """One observable-to-be: its data type, its value, and what the split said about it."""

    data_type: str
    data: str
    tags: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


def rule_of(attribute_type: str) -> Rule | None:
    """The rule for a MISP type; None for a type this table does not know."""
    return RULES.get(attribute_type)


def split_value(attribute_type: str, value: str) -> list[Part]:
    """The parts of a value, in order, without empty halves; a value that does not fit its type stays whole as `other`.

    `attachment` and `malware-sample` are the caller's business: their content is not in the value.
    """
    rule = rule_of(attribute_type)
    if rule is None:
        return _unknown(attribute_type, value)
    plain = DATA_TYPE.get(rule)
    if plain is not None:
        return _present(Part(plain, value))
    match rule:
        case Rule.HOST:
            return _present(_host(value))
        case Rule.ADDRESS:
            return _present(_address(value))
        case Rule.URI:
            return _present(_uri(value))
        case Rule.HOST_PORT | Rule.ADDRESS_PORT:
            return _with_port(value, rule)
        case Rule.DOMAIN_ADDRESS:
            return _pair(value, "domain|ip")
        case Rule.FILENAME_HASH:
            return _pair(value, attribute_type)
        case Rule.REGISTRY_VALUE:
            # the first separator counts: values contain pipes, keys do not
            key, _, content = value.partition("|")
            return _present(Part("registry", key, lines=(f"value: {content}",) if content else ()))
        case _:
            raise AssertionError(f"{rule} has no value to split")


def split_port(value: str) -> tuple[str, str]:
    """Host and port of `host|port`, `host:port` and `[v6]:port`; the port is "" where there is none.

    A bare IPv6 address is a host and not an address with a port.
    """
    text = value.strip()
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        return bracketed["host"], bracketed["port"] or ""
    for separator in ("|", ":"):
        host, found, port = text.rpartition(separator)
        if found and port.isdigit() and (separator == "|" or ":" not in host):
            return host.strip("[]"), port
    return text, ""


def _present(*parts: Part) -> list[Part]:
    return [part for part in parts if part.data.strip()]


def _host(value: str) -> Part:
    return Part("fqdn" if "." in value else "hostname", value)


def _address(value: str) -> Part:
    text = value.strip()
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return Part("other", value)
    if "/" in text and network.num_addresses > 1:
        return Part("other", text, tags=("misp:network",))
    return Part("ip", text.partition("/")[0])


def _uri(value: str) -> Part:
    if _SCHEME.match(value):
        return Part("url", value)
    return Part("uri_path" if value.startswith("/") else "other", value)


def _with_port(value: str, rule: Rule) -> list[Part]:
    host, port = split_port(value)
    part = _host(host) if rule is Rule.HOST_PORT else _address(host)
    tags = (*part.tags, f'misp:port="{port}"') if port else part.tags
    return _present(Part(part.data_type, part.data, tags, part.lines))


def _pair(value: str, attribute_type: str) -> list[Part]:
    """Both halves, each naming the other. File names may hold pipes, so the last one separates."""
    left_type, _, right_type = attribute_type.partition("|")
    left, found, right = value.rpartition("|")
    if not found:
        return _present(Part("other", value))
    first = Part("domain" if left_type == "domain" else "filename", left)
    second = _address(right) if right_type == "ip" else Part("hash", right)
    return _present(
        Part(first.data_type, first.data, first.tags, (f"{right_type}: {right}",) if right else ()),
        Part(second.data_type, second.data, second.tags, (f"{left_type}: {left}",) if left else ()),
    )


def _unknown(attribute_type: str, value: str) -> list[Part]:
    """A type newer than our table: a name with a pipe is a composite whose halves are looked up one by one."""
    left_type, composite, right_type = attribute_type.partition("|")
    left, found, right = value.rpartition("|")
    if not (composite and found):
        return _present(Part("other", value))
    return _present(
        replace(_half(left_type, left), lines=(f"{right_type}: {right}",)),
        replace(_half(right_type, right), lines=(f"{left_type}: {left}",)),
    )


def _half(half_type: str, half: str) -> Part:
    """Half of an unknown composite, by its own name where that is a type with a value of one part."""
    if half_type == "ip":
        return _address(half)
    rule = rule_of(half_type)
    if rule is None or rule in (Rule.ATTACHMENT, Rule.MALWARE_SAMPLE):
        return Part("other", half)
    return next(iter(split_value(half_type, half)), Part("other", half))
