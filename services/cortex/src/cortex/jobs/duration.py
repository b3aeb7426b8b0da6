"""Durations as Cortex' clients write them, which is as Scala does: `1minute`, `30 seconds`, `500ms`, `Inf`."""

from __future__ import annotations

import math
import re

from waggle.errors import BadRequest

FORM = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([a-zµμ]+)\s*")
FOREVER = ("Inf", "PlusInf", "+Inf", " Inf", "Duration.Inf")
SECONDS = {
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("µs", "μs", "us", "micro", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 1e-9),
}


class NumberFormat(BadRequest):
    """A duration that cannot be read."""

    type = "NumberFormatException"


def seconds(text: str) -> float:
    """Seconds of a duration; infinity for `Inf`. Raises NumberFormat."""
    if text in FOREVER:  # a `+` in a query string arrives as a blank
        return math.inf
    found = FORM.fullmatch(text)
    if found is None or found[2] not in SECONDS:
        raise NumberFormat(f"Invalid format {text[:100]!r}: a number and a unit are needed, such as 1minute")
    return float(found[1]) * SECONDS[found[2]]
