"""ATT&CK from the data of the package `pymispgalaxies`, read when an installation is seeded and never at import.

The file alone is read, not the package: its classes would keep all galaxies in memory.
"""

from __future__ import annotations

from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from hive.tables import SYSTEM_LOGIN
from waggle.ids import now_ms

PACKAGE = "pymispgalaxies"
CLUSTERS = "pymispgalaxies/data/misp-galaxy/clusters/mitre-attack-pattern.json"
CATALOG = "attack"
SMALL_WORDS = ("and", "of", "the")
LOAD = text("""
INSERT INTO patterns (catalog, pattern_id, name, description, tactics, url, revoked, platforms, data_sources, parent, created_at,
  created_by)
SELECT :catalog, p.pattern_id, p.name, p.description, p.tactics, p.url, p.revoked, p.platforms, p.data_sources, p.parent, :now,
  :login
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS p(pattern_id text, name text, description text, tactics text[], url text,
  revoked boolean, platforms text[], data_sources text[], parent text)
ON CONFLICT (pattern_id) DO UPDATE SET name = excluded.name, description = excluded.description, tactics = excluded.tactics,
  url = excluded.url, revoked = excluded.revoked, platforms = excluded.platforms, data_sources = excluded.data_sources,
  parent = excluded.parent, updated_at = :now, updated_by = :login, version = patterns.version + 1
""")


def tactic_label(tactic: str) -> str:
    """`command-and-control` → `Command and Control`."""
    words = tactic.split("-")
    return " ".join(word if word in SMALL_WORDS else word.capitalize() for word in words)


def _row(value: dict[str, Any]) -> dict[str, Any]:
    meta = value["meta"]
    pattern_id = str(meta["external_id"])
    tactics = dict.fromkeys(str(one).rpartition(":")[2] for one in meta.get("kill_chain", []))
    return {
        "pattern_id": pattern_id, "name": str(value["value"]).removesuffix(f" - {pattern_id}"),
        "description": value.get("description", ""), "tactics": list(tactics), "url": next(iter(meta.get("refs", [])), ""),
        "revoked": bool(value.get("revoked", False)), "platforms": meta.get("mitre_platforms", []),
        "data_sources": meta.get("mitre_data_sources", []),
        "parent": pattern_id.partition(".")[0] if "." in pattern_id else None,
    }  # fmt: skip


def shipped_rows(installed: Distribution | None = None) -> str:
    """The techniques of the installed package, as JSON."""
    installed = installed or distribution(PACKAGE)
    content = orjson.loads(Path(str(installed.locate_file(CLUSTERS))).read_bytes())
    return orjson.dumps([_row(one) for one in content["values"] if one.get("meta", {}).get("external_id")]).decode()


async def load(session: AsyncSession) -> None:
    """Brings the catalogue to the edition of the installed package; nothing to do if that is loaded already."""
    installed = distribution(PACKAGE)
    loaded = await session.scalar(text("SELECT edition FROM pattern_catalogs WHERE name = :name"), {"name": CATALOG})
    if loaded == installed.version:
        return
    known = {"catalog": CATALOG, "rows": shipped_rows(installed), "now": now_ms(), "login": SYSTEM_LOGIN}
    await session.execute(LOAD, known)
    await session.execute(
        text(
            "INSERT INTO pattern_catalogs (name, edition) VALUES (:name, :edition)"
            " ON CONFLICT (name) DO UPDATE SET edition = :edition"
        ),
        {"name": CATALOG, "edition": installed.version},
    )
