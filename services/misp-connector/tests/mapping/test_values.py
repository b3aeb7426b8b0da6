from __future__ import annotations

import json
from pathlib import Path

import pymisp
import pytest

from misp_connector.mapping.type_table import RULES, Rule
from misp_connector.mapping.values import split_port, split_value


def parts(kind: str, value: str) -> list[tuple[str, str]]:
    return [(part.data_type, part.data) for part in split_value(kind, value)]


def test_the_table_names_every_type_of_the_packaged_misp_and_no_other() -> None:
    described = json.loads((Path(pymisp.__file__).parent / "data" / "describeTypes.json").read_text())
    assert set(RULES) == set(described["result"]["types"])


@pytest.mark.parametrize(
    "kind", sorted(name for name, rule in RULES.items() if rule not in (Rule.ATTACHMENT, Rule.MALWARE_SAMPLE))
)
def test_every_type_gives_at_least_one_observable(kind: str) -> None:
    assert parts(kind, "a|b" if "|" in kind else "a")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", [("hash", "d41d8cd98f00b204e9800998ecf8427e")]),
        ("email-src", "a@example.com", [("mail", "a@example.com")]),
        ("email-subject", "Invoice", [("mail-subject", "Invoice")]),
        ("AS", "AS64496", [("autonomous-system", "AS64496")]),
        ("hostname", "mail.example.com", [("fqdn", "mail.example.com")]),
        ("hostname", "FILESERVER", [("hostname", "FILESERVER")]),
        ("uri", "/gate.php?id=1", [("uri_path", "/gate.php?id=1")]),
        ("uri", "hxxp://example.com/a", [("url", "hxxp://example.com/a")]),
        ("uri", "gate.php", [("other", "gate.php")]),
        ("ip-dst", "198.51.100.7", [("ip", "198.51.100.7")]),
        ("ip-src", "198.51.100.7/32", [("ip", "198.51.100.7")]),
        ("ip-src", "2001:db8::/32", [("other", "2001:db8::/32")]),
        ("ip-src", "not an address", [("other", "not an address")]),
        ("domain|ip", "example.com|198.51.100.7", [("domain", "example.com"), ("ip", "198.51.100.7")]),
        ("domain|ip", "example.com|2001:db8::7", [("domain", "example.com"), ("ip", "2001:db8::7")]),
        ("filename|sha1", "a|b.exe|" + "0" * 40, [("filename", "a|b.exe"), ("hash", "0" * 40)]),
        ("filename|md5", "only-a-name.exe", [("other", "only-a-name.exe")]),
        ("regkey|value", r"HKLM\Run\x|cmd|/c", [("registry", r"HKLM\Run\x")]),
        ("hostname|port", "c2.example.com|8443", [("fqdn", "c2.example.com")]),
        ("ip-dst|port", "198.51.100.7|443", [("ip", "198.51.100.7")]),
        ("vulnerability", "CVE-2026-0001", [("other", "CVE-2026-0001")]),
        ("named pipe", r"\\.\pipe\x", [("other", r"\\.\pipe\x")]),
        ("type-of-tomorrow", "x", [("other", "x")]),
        ("domain|type-of-tomorrow", "example.com|x", [("domain", "example.com"), ("other", "x")]),
        ("filename|ip", "a.exe|198.51.100.7", [("filename", "a.exe"), ("ip", "198.51.100.7")]),
        ("domain", "   ", []),
    ],
)
def test_values_become_observables_of_the_contracts_types(kind: str, value: str, expected: list[tuple[str, str]]) -> None:
    assert parts(kind, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("198.51.100.7|443", ("198.51.100.7", "443")),
        ("198.51.100.7:443", ("198.51.100.7", "443")),
        ("2001:db8::7|443", ("2001:db8::7", "443")),
        ("[2001:db8::7]:443", ("2001:db8::7", "443")),
        ("[2001:db8::7]|443", ("2001:db8::7", "443")),
        ("2001:db8::7", ("2001:db8::7", "")),
        ("198.51.100.7", ("198.51.100.7", "")),
    ],
)
def test_a_port_is_cut_at_the_last_separator(value: str, expected: tuple[str, str]) -> None:
    assert split_port(value) == expected


def test_a_port_becomes_a_tag_and_a_network_says_so() -> None:
    assert split_value("ip-dst|port", "198.51.100.7|443")[0].tags == ('misp:port="443"',)
    assert split_value("ip-dst", "198.51.100.0/24")[0].tags == ("misp:network",)


def test_the_halves_of_a_composite_name_each_other() -> None:
    name, digest = split_value("filename|md5", "a.exe|d41d8cd98f00b204e9800998ecf8427e")
    assert name.lines == ("md5: d41d8cd98f00b204e9800998ecf8427e",)
    assert digest.lines == ("filename: a.exe",)


def test_a_registry_value_is_kept_in_the_message() -> None:
    assert split_value("regkey|value", r"HKLM\Run\x|cmd|/c")[0].lines == ("value: cmd|/c",)
