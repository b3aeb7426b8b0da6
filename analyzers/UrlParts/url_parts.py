#!/usr/bin/env python3
"""URL and domain parts by the Public Suffix List. Licence: AGPL-3.0 (imports cortexutils)."""

import ipaddress
import re
from urllib.parse import parse_qsl, unquote, urlsplit

from cortexutils.analyzer import Analyzer
from publicsuffixlist import PublicSuffixList

SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
LONG_URL = 200
MANY_LABELS = 5


def refang(value):
    return value.replace("[.]", ".").replace("(.)", ".").replace("[:]", ":").replace("hxxp", "http").strip()


def as_ip(host):
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def unicode_form(host):
    """The host as people see it; None where it is no valid IDN."""
    try:
        return host.encode("ascii").decode("idna")
    except (UnicodeError, ValueError):
        return None


def scripts(text):
    """The writing systems of the letters, coarsely: enough to see a mixture."""
    found = set()
    for ch in text:
        if ch.isascii():
            if ch.isalpha():
                found.add("latin")
        elif "\u0400" <= ch <= "\u04ff":
            found.add("cyrillic")
        elif "\u0370" <= ch <= "\u03ff":
            found.add("greek")
        elif ch.isalpha():
            found.add("other")
    return sorted(found)


class UrlParts(Analyzer):
    def run(self):
        value = refang(self.get_data())
        if not isinstance(value, str) or not value or len(value) > 16384:
            self.error("The value is empty or too long to be a URL or a domain.")
        full = {"value": value}
        host = value
        if self.data_type == "url":
            host = self.url(value, full)
        host = host.rstrip(".").lower()
        full.update(self.host(host))
        full["oddities"] = self.oddities(full)
        self.report(full)

    def url(self, value, full):
        try:
            parts = urlsplit(value if SCHEME.match(value) else "http://" + value)
            port = parts.port
        except ValueError as error:
            self.error(f"This is not a URL: {error}")
        if not parts.hostname:
            self.error("This is not a URL: it names no host.")
        full.update(
            {
                "scheme": parts.scheme.lower() if SCHEME.match(value) else None,
                "port": port,
                "user": unquote(parts.username) if parts.username else None,
                "path": parts.path or "/",
                "query": [[k, v] for k, v in parse_qsl(parts.query, keep_blank_values=True)][:200],
                "fragment": parts.fragment or None,
                "file": parts.path.rpartition("/")[2] or None,
            }
        )
        return parts.hostname

    @staticmethod
    def host(host):
        address = as_ip(host)
        if address:
            return {"host": host, "ip": address, "domain": None, "suffix": None, "subdomain": None, "labels": 0, "unicode": None}
        suffixes = PublicSuffixList()
        domain = suffixes.privatesuffix(host)
        shown = unicode_form(host)
        return {
            "host": host,
            "ip": None,
            "domain": domain,
            "suffix": suffixes.publicsuffix(host),
            "subdomain": host[: -len(domain) - 1] or None if domain and host != domain else None,
            "labels": host.count(".") + 1,
            "unicode": shown if shown and shown != host else None,
        }

    @staticmethod
    def oddities(full):
        found = []
        if full.get("user"):
            found.append("a user name before the host hides where the link leads")
        if full["ip"]:
            found.append("an address in place of a name")
        if full.get("port") not in (None, 80, 443):
            found.append(f"port {full['port']}")
        if "xn--" in full["host"]:
            found.append("an internationalised name" + (f" ({full['unicode']})" if full["unicode"] else ""))
        if full["unicode"] and len(scripts(full["unicode"])) > 1:
            found.append("letters of several writing systems: " + ", ".join(scripts(full["unicode"])))
        if full["labels"] > MANY_LABELS:
            found.append(f"{full['labels']} labels in the host name")
        if len(full["value"]) > LONG_URL:
            found.append(f"{len(full['value'])} characters long")
        if any(SCHEME.match(v) for _, v in full.get("query", [])):
            found.append("another URL in the query (a redirect?)")
        return found

    def summary(self, raw):
        level = "suspicious" if raw["oddities"] else "info"
        shown = raw["domain"] or raw["ip"] or raw["host"]
        return {"taxonomies": [self.build_taxonomy(level, "UrlParts", "Domain", shown)]}

    def artifacts(self, raw):
        marking = {"tags": ["url-parts"], "tlp": self.get_param("tlp", 2)}
        kinds = [("ip", raw["ip"]), ("domain", raw["domain"]), ("fqdn", raw["host"] if raw["subdomain"] else None)]
        return [self.build_artifact(kind, value, **marking) for kind, value in kinds if value and value != self.get_data()]


if __name__ == "__main__":
    UrlParts().run()
