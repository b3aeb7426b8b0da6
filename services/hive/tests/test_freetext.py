"""The free-text parser: what it finds in reports and mails, what it leaves alone, and that nothing makes it slow."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hive.freetext import defanged, parse, refanged, typed


def found(text: str) -> list[tuple[str, str]]:
    return [(one.data_type, one.data) for one in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see 192.0.2.44.", [("ip", "192.0.2.44")]),
        ("from 192[.]0[.]2[.]44:8443,", [("ip", "192.0.2.44")]),
        ("dst=198.51.100.7 spt=443", [("ip", "198.51.100.7")]),
        ("(2001:db8::7)", [("ip", "2001:db8::7")]),
        ("net 192.0.2.0/24", [("other", "192.0.2.0/24")]),
        ("C2 at evil[.]example", [("domain", "evil.example")]),
        ("www.shop.co.uk and shop.co.uk", [("fqdn", "www.shop.co.uk"), ("domain", "shop.co.uk")]),
        ("cdn dot example", []),
        ("evil(dot)example {dot}", [("domain", "evil.example")]),
        ("bücher.example.de", [("fqdn", "bücher.example.de")]),
        ("hxxps://a[.]example[/]x?q=(1).", [("url", "https://a.example/x?q=(1)")]),
        ("(http://a.example/x)", [("url", "http://a.example/x")]),
        ("<http://a.example/x>, next", [("url", "http://a.example/x")]),
        ("http[:]//a.example and http[://]b.example", [("url", "http://a.example"), ("url", "http://b.example")]),
        ("http://[2001:db8::1]:80/x", [("url", "http://[2001:db8::1]:80/x")]),
        ("ftp://files.example/a", [("url", "ftp://files.example/a")]),
        ("a.example/login.php", [("url", "a.example/login.php")]),
        ("joe[at]evil[.]example; ann@corp.example", [("mail", "joe@evil.example"), ("mail", "ann@corp.example")]),
        ("mailto:joe@evil.example", [("mail", "joe@evil.example")]),
        ("d41d8cd98f00b204e9800998ecf8427e", [("hash", "d41d8cd98f00b204e9800998ecf8427e")]),
        ("SHA1: " + "a1" * 20, [("hash", "a1" * 20)]),
        ("sha256:" + "Ab" * 32, [("hash", "Ab" * 32)]),
        ("f" * 33, []),
        ("run svc.exe or C:\\Temp\\x.dll.", [("filename", "svc.exe"), ("filename", "C:\\Temp\\x.dll")]),
        ("open invoice.zip", [("filename", "invoice.zip")]),
        ("HKLM\\Software\\Microsoft\\Windows NT\\Run", [("registry", "HKLM\\Software\\Microsoft\\Windows NT\\Run")]),
        ("key HKEY_CURRENT_USER\\Software\\x is set", [("registry", "HKEY_CURRENT_USER\\Software\\x")]),
        ("AS64500 and ASN64501", [("autonomous-system", "AS64500"), ("autonomous-system", "ASN64501")]),
        ("cve-2024-21412 is used", [("other", "CVE-2024-21412")]),
        ("Subject: Your invoice is overdue\nx", [("mail-subject", "Your invoice is overdue")]),
        ("User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)", [("user-agent", "Mozilla/4.0 (compatible; MSIE 6.0)")]),
        ('with "Mozilla/5.0 (X11; Linux) Firefox/9" as', [("user-agent", "Mozilla/5.0 (X11; Linux) Firefox/9")]),
        ("evil\u200b.example \u202eevil.example", [("domain", "evil.example")]),
    ],
)
def test_finds(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "...", "e.g. this, i.e. that", "version 1.2.3 of it", "and/or", "12:34:56", "00:11:22:33:44:55", "x=y",
        "no.suchtld", "a@b", "@twitter", "http://", "https:///", "0.0.0.0", "999.1.1.1", "-.-", "\x00\x01", "AS99999999999",
        "one two three. Four five", "Node", "std::vector", "[a][b]", "::", "CVE-20-1", "..\\..", "deadbeef",
    ],
)  # fmt: skip
def test_leaves_prose_alone(text: str) -> None:
    assert found(text) == []


def test_each_value_once_in_the_order_of_the_text() -> None:
    text = "b.example a.example B.EXAMPLE http://b.example/X http://b.example/x 192.0.2.1 a[.]example"
    assert found(text) == [
        ("domain", "b.example"), ("domain", "a.example"), ("url", "http://b.example/X"), ("url", "http://b.example/x"),
        ("ip", "192.0.2.1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data_type", "value", "safe"),
    [
        ("url", "http://a.example/x", "hxxp://a[.]example/x"), ("domain", "a.example", "a[.]example"),
        ("ip", "192.0.2.1", "192[.]0[.]2[.]1"),
        ("mail", "j@a.example", "j@a[.]example"), ("filename", "a.exe", "a[.]exe"),
    ],
)  # fmt: skip
def test_defanging_and_back(data_type: str, value: str, safe: str) -> None:
    assert defanged(data_type, value) == safe == defanged(data_type, safe)
    assert refanged(safe) == value
    assert (typed(safe).data_type, typed(safe).data) == (data_type, value)


def test_other_types_are_never_changed() -> None:
    assert defanged("fqdn", "www.a.example") == "www.a.example"
    assert defanged("hash", "aa.http") == "aa.http"


HARD = [
    "a.",
    "1:",
    "a@",
    "[.(.{.",
    "HKLM\\",
    "a",
    "0f",
    "http://",
    "Subject:\n",
    "Mozilla/5.0 (",
    "(((",
    "x=",
    "hxxp",
    "[",
    "://",
]


@pytest.mark.parametrize("piece", HARD)
def test_time_grows_with_the_text_and_not_faster(piece: str) -> None:
    """Four times the text takes at most some ten times as long; a quadratic pattern would take sixteen times, or for ever."""

    def cpu(size: int) -> float:
        text = (piece * size)[:size]
        best = 10.0
        for _ in range(3):
            began = time.process_time()
            parse(text)
            best = min(best, time.process_time() - began)
        return best

    small, large = cpu(50_000), cpu(200_000)
    assert large < max(10 * small, 0.05), (small, large)


class TestRoute:
    async def test_access(self, world: Any) -> None:
        assert (await world.anonymous.post("/api/v1/freetext", json={"text": "x"})).status_code == 401

    async def test_shows_what_a_text_holds(self, world: Any) -> None:
        answer = await world.reader.post("/api/v1/freetext", json={"text": "to evil[.]example by CVE-2024-1234"})
        assert answer.json() == [
            {"dataType": "domain", "data": "evil.example", "tags": [], "position": 3},
            {"dataType": "other", "data": "CVE-2024-1234", "tags": ["cve"], "position": 19},
        ]

    async def test_bad_input(self, world: Any) -> None:
        for body in ({}, {"text": ""}, {"text": 1}, {"text": "x" * (4 << 20) + "x"}, {"text": "x", "more": 1}):
            assert (await world.soc.post("/api/v1/freetext", json=body)).status_code == 400
