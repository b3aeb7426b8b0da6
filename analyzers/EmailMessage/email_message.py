#!/usr/bin/env python3
"""E-mail message: headers, hops, links, attachments. The standard library alone reads it; no HTML is rendered.

Licence: AGPL-3.0 (imports cortexutils).
"""

import hashlib
import os
import re
import tempfile
from email import policy
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit

from cortexutils.analyzer import Analyzer

MOST_BYTES = 64 << 20
MOST_TEXT = 200_000
MOST_PARTS = 500
MOST_LINKS = 500
MOST_ATTACHMENTS = 50
URL = re.compile(r"https?://[^\s<>\"'\)\]]{4,2000}", re.IGNORECASE)
ADDRESS = re.compile(r"\[?((?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F:]{4,39}:[0-9a-fA-F:]*)\]?")
RESULT = re.compile(r"\b(spf|dkim|dmarc|arc)\s*=\s*([a-z]+)", re.IGNORECASE)
RISKY = {
    ".exe",
    ".scr",
    ".js",
    ".vbs",
    ".hta",
    ".lnk",
    ".iso",
    ".img",
    ".bat",
    ".cmd",
    ".ps1",
    ".jar",
    ".wsf",
    ".html",
    ".htm",
    ".docm",
    ".xlsm",
}


class Links(HTMLParser):
    """Links of an HTML text with the words shown for them; nothing is fetched or executed."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.links = []
        self._href = None
        self._words = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self._href, self._words = attributes["href"], []
        elif tag in ("img", "form", "iframe", "script"):
            target = attributes.get("src") or attributes.get("action")
            if target:
                self.links.append({"url": target, "text": "", "kind": tag})

    def handle_data(self, data):
        if self._href is not None:
            self._words.append(data)

    def handle_endtag(self, tag):
        if tag == "a" and self._href is not None:
            self.links.append({"url": self._href, "text": "".join(self._words).strip()[:200], "kind": "a"})
            self._href = None


def text_of(part):
    """The decoded text of a part, cut; what cannot be decoded is shown with replacement characters."""
    payload = part.get_payload(decode=True) or b""
    charset = part.get_content_charset() or "utf-8"
    try:
        return payload[:MOST_TEXT].decode(charset, "replace")
    except LookupError:
        return payload[:MOST_TEXT].decode("utf-8", "replace")


def header(message, name):
    """A header as text; a broken one is taken raw, for a parser's complaint must not end the analysis."""
    try:
        value = message.get(name)
        return None if value is None else str(value)
    except (ValueError, IndexError, AttributeError, TypeError, LookupError):
        raw = dict(message.raw_items()) if hasattr(message, "raw_items") else {}
        return str(raw.get(name)) if name in raw else None


def headers_of(message):
    """All headers in order; raw where the structured parser fails."""
    return [[str(name), str(value)[:4000]] for name, value in list(message.raw_items())[:200]]


def all_values(message, name):
    return [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def hops(message):
    found = []
    for line in all_values(message, "Received")[:50]:
        flat = " ".join(line.split())
        by = re.search(r"\bby\s+(\S+)", flat)
        sender = re.search(r"\bfrom\s+(\S+)", flat)
        address = ADDRESS.search(flat)
        found.append(
            {
                "from": sender[1] if sender else None,
                "by": by[1] if by else None,
                "address": address[1] if address else None,
                "date": flat.rpartition(";")[2].strip() or None,
            }
        )
    return list(reversed(found))


def sent_at(message):
    try:
        return parsedate_to_datetime(header(message, "Date") or "").isoformat()
    except (TypeError, ValueError, IndexError):
        return None


def host(url):
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def domain_of(address):
    return parseaddr(address or "")[1].rpartition("@")[2].lower()


class EmailMessageAnalyzer(Analyzer):
    def run(self):
        path = self.get_param("file", None, "The file is missing from the job folder.")
        if not path:
            self.error("The file is missing from the job folder.")
        with open(path, "rb") as source:
            raw = source.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            self.error(f"The message is over {MOST_BYTES >> 20} MiB.")
        message = BytesParser(policy=policy.compat32).parsebytes(raw)
        if not message.keys() or not any(
            message.get(name) for name in ("From", "To", "Subject", "Received", "Date", "Message-ID")
        ):
            self.error("This is not an e-mail message: it has none of the headers From, To, Subject, Received, Date, Message-ID.")
        message = BytesParser(policy=policy.default).parsebytes(raw)
        self.attachments_found = []
        bodies, links = self.walk(message)
        full = {
            "subject": header(message, "Subject"),
            "from": header(message, "From"),
            "to": [a for _, a in getaddresses(all_values(message, "To")) if a],
            "cc": [a for _, a in getaddresses(all_values(message, "Cc")) if a],
            "reply_to": header(message, "Reply-To"),
            "return_path": header(message, "Return-Path"),
            "message_id": header(message, "Message-ID"),
            "date": sent_at(message),
            "authentication": self.authentication(message),
            "hops": hops(message),
            "headers": headers_of(message),
            "body": bodies,
            "links": links,
            "attachments": [{k: v for k, v in a.items() if k != "path"} for a in self.attachments_found],
        }
        full["oddities"] = self.oddities(full)
        self.report(full)

    def walk(self, message):
        bodies, links = [], []
        for number, part in enumerate(message.walk()):
            if number >= MOST_PARTS:
                break
            if part.is_multipart():
                continue
            kind = part.get_content_type()
            try:
                name = part.get_filename()
            except (ValueError, IndexError, AttributeError, TypeError, LookupError):
                name = None
            if name or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
                self.keep(part, name or f"part-{number}", kind)
                continue
            text = text_of(part)
            bodies.append({"type": kind, "text": text})
            if kind == "text/html":
                reader = Links()
                reader.feed(text)
                links += reader.links
            links += [{"url": url, "text": "", "kind": "text"} for url in URL.findall(text)]
        unique = {}
        for link in links:
            unique.setdefault((link["url"], link["text"]), link)
        known = {url for url, text in unique if text}
        return bodies, [link for (url, text), link in unique.items() if text or url not in known][:MOST_LINKS]

    def keep(self, part, name, kind):
        if len(self.attachments_found) >= MOST_ATTACHMENTS:
            return
        content = part.get_payload(decode=True) or b""
        handle, path = tempfile.mkstemp()
        with os.fdopen(handle, "wb") as target:
            target.write(content)
        self.attachments_found.append(
            {
                "name": os.path.basename(name.replace("\\", "/"))[:200] or "attachment",
                "type": kind,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "path": path,
            }
        )

    @staticmethod
    def authentication(message):
        found = {}
        for line in all_values(message, "Authentication-Results") + all_values(message, "Received-SPF"):
            for method, result in RESULT.findall(line):
                found.setdefault(method.lower(), result.lower())
        return found

    @staticmethod
    def oddities(full):
        found = []
        sender = domain_of(full["from"])
        for name, label in (("reply_to", "answers go"), ("return_path", "bounces go")):
            other = domain_of(full[name])
            if other and sender and other != sender:
                found.append(f"{label} to {other}, not to {sender}")
        for link in full["links"]:
            shown = URL.match(link["text"] or "")
            if shown and host(shown[0]) and host(shown[0]) != host(link["url"]):
                found.append(f"a link shows {host(shown[0])} and leads to {host(link['url'])}")
        results = full["authentication"].items()
        found += [f"{method} says {result}" for method, result in results if result in ("fail", "softfail", "permerror")]
        names = [attachment["name"] for attachment in full["attachments"]]
        found += [f"attachment {name}" for name in names if os.path.splitext(name)[1].lower() in RISKY]
        return list(dict.fromkeys(found))

    def summary(self, raw):
        level = "suspicious" if raw["oddities"] else "info"
        return {
            "taxonomies": [
                self.build_taxonomy("info", "Email", "Attachments", str(len(raw["attachments"]))),
                self.build_taxonomy("info", "Email", "Links", str(len(raw["links"]))),
                self.build_taxonomy(level, "Email", "Oddities", str(len(raw["oddities"]))),
            ]
        }

    def artifacts(self, raw):
        marking = {"tags": ["email"], "tlp": self.get_param("tlp", 2)}
        found = [self.build_artifact("url", link["url"], **marking) for link in raw["links"] if URL.match(link["url"])]
        people = {parseaddr(raw["from"] or "")[1], parseaddr(raw["reply_to"] or "")[1]} - {""}
        found += [self.build_artifact("mail", address, **marking) for address in sorted(people)]
        found += [self.build_artifact("ip", hop["address"], **marking) for hop in raw["hops"] if hop["address"]]
        for kept in self.attachments_found:
            made = self.build_artifact("file", kept["path"], message=kept["name"], **marking)
            if made:
                made["filename"] = kept["name"]
                found.append(made)
            os.unlink(kept["path"])
        return found


if __name__ == "__main__":
    EmailMessageAnalyzer().run()
