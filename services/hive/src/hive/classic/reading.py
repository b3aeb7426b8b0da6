"""Reading what classic clients send: values in many forms, unknown keys, null for absent (contracts hive-v0 §1.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hive.markings import unique
from waggle.contracts.vocabulary import PAP_LEVELS, TLP_LEVELS
from waggle.errors import BadRequest, InvalidFields

MAX_MS = 253_402_300_799_999
DATE_FORMS = ("%Y%m%dT%H%M%S%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M%z")
DATE_TEXT = re.compile(r"\d{8}T\d{6}(?:Z|[+-]\d{4})|\d{4}-\d{2}-\d{2}(?:T[0-9:.]{8,15}(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
CLASSIC_TLP = ("CLEAR", "GREEN", "AMBER", "RED")
RED_NUMBERS = (3, 4)


class Body:
    """The fields of a request. Readers return None (or the default) for what is absent or null."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def has(self, name: str) -> bool:
        return name in self.values

    def _single(self, name: str) -> Any:
        """A value; a list of one stands for its element (thehive4py's `("Completed",)`)."""
        value = self.values.get(name)
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    def text(self, name: str, *, limit: int = 1_048_576) -> str | None:
        value = self._single(name)
        if value is None:
            return None
        if isinstance(value, bool | int | float):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(value, str) or len(value) > limit:
            raise InvalidFields.invalid(name, f"a text of at most {limit} characters is needed")
        return value

    def need(self, name: str, *, limit: int = 1_048_576) -> str:
        value = self.text(name, limit=limit)
        if value is None:
            raise InvalidFields.missing(name)
        return value

    def number(self, name: str, *, low: int, high: int) -> int | None:
        value = self._single(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.strip().lstrip("-").isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidFields.invalid(name, f"a number from {low} to {high} is needed")
        return value

    def date(self, name: str) -> int | None:
        """Milliseconds as a number or digits; as TheHive 3 also `20260102T150405+0000`, ISO 8601. Seconds are not guessed."""
        value = self._single(name)
        if isinstance(value, str) and DATE_TEXT.fullmatch(value.strip()):
            return _moment(name, value.strip())
        return self.number(name, low=0, high=MAX_MS)

    def severity(self) -> int | None:
        return self.number("severity", low=1, high=4)

    def flag(self, name: str) -> bool | None:
        value = self._single(name)
        if value is None:
            return None
        if isinstance(value, bool):
            return value
        if isinstance(value, str | int) and str(value).lower() in ("1", "0", "true", "false"):
            return str(value).lower() in ("1", "true")
        raise InvalidFields.invalid(name, "true or false is needed")

    def texts(self, name: str) -> list[str] | None:
        """A list of texts; a single one stands for a list of one. Repeats go, the order stays."""
        value = self.values.get(name)
        if value is None:
            return None
        listed = value if isinstance(value, list) else [value]
        if len(listed) > 10_000 or not all(isinstance(one, str | int | float) for one in listed):
            raise InvalidFields.invalid(name, "a list of texts is needed")
        return unique([str(one)[:128] for one in listed if str(one)])

    def ids(self, name: str) -> list[str]:
        found = self.texts(name)
        if found is None:
            raise InvalidFields.missing(name)
        return found

    def tlp(self) -> tuple[str | None, bool]:
        """The TLP word, and whether the number meant "unknown" (−1, stored as RED)."""
        number = self.number("tlp", low=-1, high=4)
        if number is None:
            return None, False
        if number == -1:
            return "RED", True
        return ("RED" if number in RED_NUMBERS else CLASSIC_TLP[number]), False

    def pap(self) -> str | None:
        number = self.number("pap", low=0, high=3)
        return None if number is None else PAP_LEVELS[number]

    def mapping(self, name: str) -> dict[str, Any] | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise InvalidFields.invalid(name, "an object is needed")
        return value

    def objects(self, name: str) -> list[dict[str, Any]]:
        value = self.values.get(name)
        if value is None:
            return []
        listed = value if isinstance(value, list) else [value]
        if len(listed) > 10_000 or not all(isinstance(one, dict) for one in listed):
            raise InvalidFields.invalid(name, "a list of objects is needed")
        return listed


def _moment(name: str, text: str) -> int:
    if "T" not in text:
        text += "T00:00:00"
    if text[-1] != "Z" and not re.search(r"T.*[+-]\d{2}:?\d{2}$", text):
        text += "Z"
    for form in DATE_FORMS:
        try:
            moment = datetime.strptime(text, form).astimezone(UTC)
        except ValueError:
            continue
        return max(0, int(moment.timestamp() * 1000))
    raise InvalidFields.invalid(name, "a date in milliseconds is needed")


def tlp_out(word: str) -> int:
    """AMBER+STRICT and RED are both 3: the classic scale has no more."""
    return min(3, TLP_LEVELS.index(word))


def reference(value: str) -> str:
    """An id or name from a path. Raises BadRequest for what no database can look up."""
    if "\0" in value:
        raise BadRequest("an id holds no NUL")
    return value


def one_of(body: Body, name: str, words: tuple[str, ...]) -> str | None:
    value = body.text(name)
    if value is None or value == "":
        return None
    if value not in words:
        raise InvalidFields.invalid(name, f"one of {', '.join(words)} is needed")
    return value
