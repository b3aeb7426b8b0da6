"""Buckets of time for statistics: `1d`, `2w`, `3M`; weeks begin on Monday, months and years on their first day, in UTC."""

from __future__ import annotations

import re
from typing import Any, Final

from waggle.errors import BadRequest

INTERVAL: Final = re.compile(r"(\d{1,6})\s*([smhdwMy])", re.ASCII)
UNITS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
WORDS: Final = {
    "SECONDS": "s", "MINUTES": "m", "HOURS": "h", "DAYS": "d", "HALF_DAYS": "d", "WEEKS": "w", "MONTHS": "M", "YEARS": "y",
}  # fmt: skip
FIRST_MONDAY: Final = 4 * UNITS["d"]


def parse_interval(interval: Any, unit: Any) -> tuple[int, str]:
    """Number and unit. Raises BadRequest."""
    if unit is not None:
        letter = WORDS.get(str(unit).upper())
        if (
            letter is None
            or isinstance(interval, bool)
            or not str(interval).isdigit()
            or not 1 <= int(str(interval)[:7]) <= 100_000
        ):
            raise BadRequest("a time needs _interval, a number, and _unit such as DAYS")
        return int(str(interval)), letter
    found = INTERVAL.fullmatch("1d" if interval is None else str(interval))
    if not found or int(found[1]) == 0:
        raise BadRequest("_interval is a number and one of s m h d w M y, such as 1d")
    return int(found[1]), found[2]


def bucket(value: str, interval: tuple[int, str]) -> str:
    """SQL of the start (ms) of the bucket a time (ms) falls in."""
    number, unit = interval
    if unit in UNITS:
        width, start = number * UNITS[unit], FIRST_MONDAY if unit == "w" else 0
        return f"CAST(floor(({value} - {start}) / {width}.0) * {width} + {start} AS bigint)"
    moment = f"(to_timestamp({value} / 1000.0) AT TIME ZONE 'UTC')"
    months = f"CAST((extract(year FROM {moment}) - 1970) * 12 + extract(month FROM {moment}) - 1 AS integer)"
    width = number * (12 if unit == "y" else 1)
    first = f"make_interval(months => CAST(floor({months} / {width}.0) * {width} AS integer))"
    return f"CAST(extract(epoch FROM timestamp '1970-01-01' + {first}) * 1000 AS bigint)"
