#!/usr/bin/env python3
"""MISP warning lists, from the compiled file. Licence: AGPL-3.0 (imports cortexutils)."""

import ipaddress
import json
import os
import re
import sqlite3
from urllib.parse import urlsplit

from cortexutils.analyzer import Analyzer

DEFAULT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "warninglists.sqlite")
ATTRIBUTES = {
    "ip": {"ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"},
    "domain": {"domain", "hostname", "domain|ip", "hostname|port"},
    "fqdn": {"hostname", "domain", "domain|ip", "hostname|port"},
    "url": {"url", "uri", "link", "domain", "hostname", "domain|ip", "ip-src", "ip-dst"},
    "hash": {"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "filename|md5", "filename|sha1", "filename|sha256"},
    "mail": {"email", "email-src", "email-dst", "target-email", "whois-registrant-email", "domain", "hostname"},
}
PREFIXES = {4: range(32, -1, -1), 6: range(128, -1, -1)}


def host_of(kind, value):
    """The host a value speaks of: of a URL, of a mail address, or the value itself."""
    if kind == "url":
        try:
            return (urlsplit(value if "://" in value else "http://" + value).hostname or "").lower()
        except ValueError:
            return ""
    if kind == "mail":
        return value.rpartition("@")[2].lower()
    return value.lower()


class WarningLists(Analyzer):
    def run(self):
        path = self.get_param("config.database") or DEFAULT
        if not os.path.isfile(path):
            self.error(f"The compiled lists are missing ({path}): run `make setup`, or compile_lists.py beside this program.")
        if self.data_type not in ATTRIBUTES:
            self.error(f"Data type {self.data_type} is not looked up in warning lists.")
        value = self.get_data().strip().replace("[.]", ".")
        self.database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        found = self.look_up(value)
        lists = [self.describe(number, match) for number, match in sorted(found.items())]
        self.report({"value": value, "results": [entry for entry in lists if self.concerns(entry)]})

    def look_up(self, value):
        """List ids by the entry that matched."""
        found = {}
        host = host_of(self.data_type, value).rstrip(".")
        for entry in (value.lower(), host):
            self.exact(entry, found, ("string", "hostname"))
        labels = host.split(".")
        for start in range(1, len(labels)):
            self.exact(".".join(labels[start:]), found, ("hostname",))
        self.networks(host, found)
        for number, kind, pattern in self.database.execute("SELECT list, type, value FROM patterns"):
            if (kind == "substring" and pattern.lower() in value.lower()) or (kind == "regex" and self.matches(pattern, value)):
                found.setdefault(number, pattern)
        return found

    @staticmethod
    def matches(pattern, value):
        flags = re.IGNORECASE if pattern.endswith("/i") else 0
        text = pattern[1:].rpartition("/")[0] if pattern.startswith("/") else pattern
        try:
            return re.search(text, value[:2000], flags) is not None
        except re.error:
            return False

    def exact(self, entry, found, kinds):
        row = self.database.execute("SELECT lists FROM names WHERE value = ?", (entry,)).fetchone() if entry else None
        for number in row[0].split(",") if row else ():
            kind = self.database.execute("SELECT type FROM lists WHERE id = ?", (int(number),)).fetchone()[0]
            if kind in kinds:
                found.setdefault(int(number), entry)

    def networks(self, host, found):
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return
        for prefix in PREFIXES[address.version]:
            network = ipaddress.ip_network((address, prefix), strict=False)
            query = "SELECT list FROM networks WHERE network = ? AND prefix = ?"
            for (number,) in self.database.execute(query, (network.network_address.packed, prefix)):
                found.setdefault(number, str(network))

    def describe(self, number, match):
        query = "SELECT name, description, category, version, attributes FROM lists WHERE id = ?"
        name, description, category, version, attributes = self.database.execute(query, (number,)).fetchone()
        return {
            "name": name,
            "description": description,
            "category": category,
            "version": version,
            "match": match,
            "attributes": json.loads(attributes),
        }

    def concerns(self, entry):
        """Whether the list is meant for values of this type at all (a list without types is for every type)."""
        return not entry["attributes"] or bool(set(entry["attributes"]) & ATTRIBUTES[self.data_type])

    def summary(self, raw):
        count = len(raw["results"])
        level = "safe" if count else "info"
        value = f"{count} list{'' if count == 1 else 's'}" if count else "no list"
        return {"taxonomies": [self.build_taxonomy(level, "MISP", "Warninglists", value)]}

    def artifacts(self, raw):
        return []


if __name__ == "__main__":
    WarningLists().run()
