"""Relative dates of the v1 language: `{"amount": 7, "unit": "days", "look": "behind", "modifier": "startOfDay"}`."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from waggle.errors import BadRequest

FIXED: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
MONTHS: Final = {"months": 1, "years": 12}
MAX_AMOUNT: Final = 1_000_000


def relative_date(given: Mapping[str, Any], now: int) -> int:
    """The moment (ms) that lies so far before or after `now` (ms). Raises BadRequest for what is no relative date."""
    amount, unit, look = given.get("amount"), given.get("unit"), given.get("look", "behind")
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_AMOUNT:
        raise BadRequest(f"a relative date needs an amount from 0 to {MAX_AMOUNT}")
    if unit not in FIXED and unit not in MONTHS:
        raise BadRequest(f"the unit of a relative date is one of {', '.join([*FIXED, *MONTHS])}")
    if look not in ("behind", "ahead"):
        raise BadRequest("a relative date looks behind or ahead")
    zone = _zone(given.get("timezone"))
    sign = -1 if look == "behind" else 1
    try:
        moment = datetime.fromtimestamp(now / 1000, zone)
        moment = _months(moment, sign * amount * MONTHS[unit]) if unit in MONTHS else _later(moment, sign * amount, unit)
        return int(_modified(moment, given.get("modifier")).timestamp() * 1000)
    except (OverflowError, ValueError) as error:
        raise BadRequest("the relative date lies outside of the calendar") from error


def _zone(name: Any) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadRequest(f"there is no timezone {str(name)[:60]}") from error


def _later(moment: datetime, amount: int, unit: str) -> datetime:
    """Days and weeks are counted on the calendar of the zone, shorter units in time that passed."""
    step = timedelta(seconds=amount * FIXED[unit])
    if unit in ("days", "weeks"):
        return moment + step
    return (moment.astimezone(UTC) + step).astimezone(moment.tzinfo)


def _months(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def _modified(moment: datetime, modifier: Any) -> datetime:
    if modifier is None:
        return moment
    if modifier == "startOfDay":
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if modifier == "endOfDay":
        return moment.replace(hour=23, minute=59, second=59, microsecond=999_000)
    raise BadRequest("the modifier of a relative date is startOfDay or endOfDay")
