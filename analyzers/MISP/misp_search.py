#!/usr/bin/env python3
"""Search one or several MISP servers. Licence: AGPL-3.0 (imports cortexutils).

Type and value must meet on one attribute, so attributes are searched and their events' metadata is read afterwards; the report
keeps the shape that existing templates of MISP_2_1 expect. A server that fails is named in the report; the job fails when all do.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from cortexutils.analyzer import Analyzer
from pymisp import PyMISP
from pymisp.exceptions import PyMISPError

HASHES = ["md5", "sha1", "sha256", "ssdeep", "sha224", "sha384", "sha512", "sha512/224", "sha512/256", "tlsh", "authentihash"]
MORE_HASHES = ["imphash", "sha3-224", "sha3-256", "sha3-384", "sha3-512"]
FINGERPRINTS = ["x509-fingerprint-md5", "x509-fingerprint-sha1", "x509-fingerprint-sha256"]
WITH_NAME = [f"filename|{kind}" for kind in HASHES]
HOSTS = ["domain", "hostname", "domain|ip", "email-src", "email-dst", "url", "link", "named pipe", "target-email", "uri"]
MAILS = ["email-src", "email-dst", "target-email", "email-subject", "email-attachment", "whois-registrant-email", "dns-soa-email"]
TYPES = {
    "hash": HASHES + MORE_HASHES + FINGERPRINTS + WITH_NAME + ["malware-sample"],
    "url": ["domain", "domain|ip", "url", "link", "named pipe", "uri"],
    "domain": [*HOSTS, "whois-registrant-email", "dns-soa-email", "hostname|port", "jabber-id"],
    "ip": ["ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"],
    "mail": [*MAILS, "email-header", "email", "email-reply-to"],
    "registry": ["regkey", "regkey|value"],
    "filename": ["filename", *WITH_NAME, "malware-sample"],
}
TYPES["fqdn"] = TYPES["domain"]
TYPES["mail_subject"] = TYPES["mail-subject"] = TYPES["mail"]
WILDCARD = {"url", "domain", "fqdn"}
KEPT = ("id", "uuid", "date", "info", "threat_level_id", "timestamp", "orgc_id", "extends_uuid", "Orgc", "Tag", "Galaxy")
MATCH = ("type", "category", "value", "to_ids", "comment", "timestamp", "object_relation")


def checked_answer(answer):
    """PyMISP returns errors as dictionaries."""
    if isinstance(answer, dict) and answer.get("errors"):
        raise PyMISPError(str(answer["errors"]))
    return answer


class Server:
    """One configured MISP server."""

    def __init__(self, url, key, name, verify, timeout):
        self.url, self.name = url.rstrip("/"), name
        self._key, self._verify, self._timeout = key, verify, timeout

    def search(self, value, types, limit):
        """The result entry of this server; a failure is part of it."""
        entry = {"url": self.url, "name": self.name, "result": []}
        try:
            misp = PyMISP(self.url + "/", self._key, ssl=self._verify, timeout=self._timeout)
            entry["result"] = self._events(misp, value, types, limit)
        except (PyMISPError, OSError, ValueError, KeyError, TypeError) as error:
            entry["error"] = f"{type(error).__name__}: {error}".replace(self._key, "REMOVED")[:500]
        return entry

    @staticmethod
    def _events(misp, value, types, limit):
        asked = {"value": value, "include_context": True, "include_event_uuid": True, "limit": limit}
        if types:
            asked["type_attribute"] = types
        answer = checked_answer(misp.search(controller="attributes", **asked))
        attributes = answer.get("Attribute", []) if isinstance(answer, dict) else []
        matches = {}
        for attribute in attributes:
            matches.setdefault(str(attribute["event_id"]), []).append({k: attribute.get(k) for k in MATCH})
        if not matches:
            return []
        found = checked_answer(misp.search(controller="events", eventid=list(matches), metadata=True))
        events = []
        for event in (wrapped.get("Event", wrapped) for wrapped in found):
            kept = {k: event[k] for k in KEPT if k in event}
            related = [r.get("Event", r) for r in event.get("RelatedEvent", [])]
            kept["RelatedEvent"] = [{"info": r.get("info"), "id": r.get("id")} for r in related]
            events.append({**kept, "matches": matches.get(str(event.get("id")), [])})
        return events


class MispSearch(Analyzer):
    def run(self):
        value = self.get_data().strip()
        if not value:
            self.error("The value is empty.")
        if value.startswith(("!", "%")) or value.endswith("%") or "&&" in value:
            self.error(
                "MISP gives a value that begins with !, contains && or has % at an end another meaning; it is not searched."
            )
        if self.get_param("config.wildcard", False) and self.data_type in WILDCARD:
            value = f"%{value}%"
        types = TYPES.get(self.data_type)
        limit = int(self.get_param("config.limit", 500))
        servers = self.servers()
        with ThreadPoolExecutor(len(servers)) as pool:
            results = list(pool.map(lambda server: server.search(value, types, limit), servers))
        if all("error" in entry for entry in results):
            self.error("No MISP server could be searched. " + "; ".join(f"{e['name']}: {e['error']}" for e in results))
        self.report({"results": results})

    def servers(self):
        urls = self.get_param("config.url", None, "No MISP server is configured: set url and key.")
        keys = self.get_param("config.key", None, "No MISP key is configured: set url and key.")
        urls, keys = ([v] if isinstance(v, str) else v for v in (urls, keys))
        names = self.get_param("config.name") or ["Unnamed"] * len(urls)
        paths = self.get_param("config.cert_path") or [None] * len(urls)
        if not urls or not len(urls) == len(keys) == len(names) == len(paths):
            self.error("url, key, name and cert_path must be lists of the same length, one entry for each MISP server.")
        verify = bool(self.get_param("config.cert_check", True))
        timeout = float(self.get_param("config.timeout", 60))
        made = []
        for url, key, name, path in zip(urls, keys, names, paths):
            if verify and path and not os.path.isfile(path):
                self.error(f"cert_path {path} is not a file.")
            made.append(Server(url, key, name or "Unnamed", (path or True) if verify else False, timeout))
        return made

    def summary(self, raw):
        events = {event.get("uuid") for entry in raw["results"] for event in entry["result"]}
        failed = sum("error" in entry for entry in raw["results"])
        value = f"{len(events)} event{'' if len(events) == 1 else 's'}"
        if failed:
            value += f" ({failed} server{'' if failed == 1 else 's'} failed)"
        lines = [self.build_taxonomy("suspicious" if events else "info", "MISP", "Search", value)]
        flagged = sum(bool(m["to_ids"]) for entry in raw["results"] for event in entry["result"] for m in event["matches"])
        if flagged and self.get_param("config.ids_taxonomy", False):
            lines.append(self.build_taxonomy("malicious", "MISP", "IDS", f"{flagged} attribute{'' if flagged == 1 else 's'}"))
        return {"taxonomies": lines}

    def artifacts(self, raw):
        return []


if __name__ == "__main__":
    MispSearch().run()
