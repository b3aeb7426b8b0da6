"""One verdict beside the raw report: what the analyzers' taxonomies say, and when the value was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

ORDER = ("info", "safe", "suspicious", "malicious")
FIRST = frozenset({"firstseen", "firstsubmissiondate", "firstsubmission", "firstsubmitted", "timefirst"})
LAST = frozenset({"lastseen", "lastsubmissiondate", "lastsubmission", "lastanalysisdate", "timelast"})
DEEPEST = 4
MOST = 5000
EARLIEST, LATEST = 0, 4_102_444_800_000  # 1970 to 2100, in ms
SECONDS_BELOW = 100_000_000_000


def verdict_of(summary: dict[str, Any], full: dict[str, Any]) -> dict[str, Any] | None:
    """`level` is the worst of the taxonomies, `confidence` the share of them (percent) that say so; None without a taxonomy.

    `firstSeen` and `lastSeen` (ms) are there where the report has them under one of their usual names.
    """
    lines = summary.get("taxonomies")
    levels = [line["level"] for line in lines] if isinstance(lines, list) else []
    if not levels:
        return None
    level = max(levels, key=ORDER.index)
    telling = [known for known in levels if known != "info"] or levels
    found: dict[str, Any] = {"level": level, "confidence": round(100 * telling.count(level) / len(telling))}
    seen = list(_times(full, DEEPEST))[:MOST]
    if first := [time for name, time in seen if name in FIRST]:
        found["firstSeen"] = min(first)
    if last := [time for name, time in seen if name in LAST]:
        found["lastSeen"] = max(last)
    return found


def _times(value: Any, depth: int) -> Iterator[tuple[str, int]]:
    if depth == 0:
        return
    if isinstance(value, list):
        for item in value[:100]:
            yield from _times(item, depth - 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
            if plain in FIRST or plain in LAST:
                if (time := _milliseconds(item)) is not None:
                    yield plain, time
            else:
                yield from _times(item, depth - 1)


def _milliseconds(value: Any) -> int | None:
    """Seconds or milliseconds since 1970, or an ISO 8601 text; without a zone it is UTC."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
        except ValueError:
            return None
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    time = int(value * 1000 if value < SECONDS_BELOW else value)
    return time if EARLIEST < time < LATEST else None
