#!/usr/bin/env python3
"""Compiles the lists of the package `pymispwarninglists` into one SQLite file beside the analyzer; run at set-up.

    python compile_lists.py [target.sqlite]

Loading the package's own objects costs 336 MiB; a look-up in this file costs a few pages. Only the package's data is read,
not its code. Tables: `lists` (what a list is), `names` (exact values and host names, with the ids of their lists),
`networks` (by prefix), `patterns` (substrings and regular expressions, few).
"""

import importlib.util
import ipaddress
import json
import os
import sqlite3
import sys
from pathlib import Path

DEFAULT = Path(__file__).resolve().parent / "warninglists.sqlite"
SCHEMA = """
CREATE TABLE lists (
  id INTEGER PRIMARY KEY, name TEXT, description TEXT, category TEXT, version INTEGER, type TEXT, attributes TEXT
);
CREATE TABLE names (value TEXT PRIMARY KEY, lists TEXT) WITHOUT ROWID;
CREATE TABLE networks (network BLOB, prefix INTEGER, list INTEGER, PRIMARY KEY (network, prefix, list)) WITHOUT ROWID;
CREATE TABLE patterns (list INTEGER, type TEXT, value TEXT);
"""


def source():
    spec = importlib.util.find_spec("pymispwarninglists")
    if spec is None or spec.origin is None:
        sys.exit("pymispwarninglists is not installed in this environment")
    return Path(spec.origin).parent / "data" / "misp-warninglists" / "lists"


def network_key(entry):
    network = ipaddress.ip_network(entry.strip(), strict=False)
    return network.network_address.packed, network.prefixlen


def compile_lists(target):
    temporary = target.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    database = sqlite3.connect(temporary)
    database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
    names, networks, patterns = {}, set(), []
    for number, file in enumerate(sorted(source().glob("*/list.json")), start=1):
        content = json.loads(file.read_text(encoding="utf-8"))
        kind = content["type"]
        attributes = json.dumps(content.get("matching_attributes", []))
        row = (
            number,
            content["name"],
            content.get("description"),
            content.get("category"),
            content.get("version"),
            kind,
            attributes,
        )
        database.execute("INSERT INTO lists VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        for entry in map(str, content["list"]):
            if kind == "cidr":
                try:
                    networks.add((*network_key(entry), number))
                except ValueError:
                    continue
            elif kind in ("string", "hostname"):
                value = entry.strip().lower().strip(".")
                names[value] = f"{names[value]},{number}" if value in names else str(number)
            else:
                patterns.append((number, kind, entry))
    database.executemany("INSERT INTO names VALUES (?, ?)", sorted(names.items()))
    database.executemany("INSERT INTO networks VALUES (?, ?, ?)", sorted(networks))
    database.executemany("INSERT INTO patterns VALUES (?, ?, ?)", patterns)
    database.commit()
    database.close()
    os.replace(temporary, target)


if __name__ == "__main__":
    compile_lists(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
