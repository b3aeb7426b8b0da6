"""Typed observables from free text: a report, a mail, a list somebody pasted. Knows no database and no HTTP."""

from hive.freetext.defang import defanged, refanged
from hive.freetext.parser import Found, parse, typed

__all__ = ["Found", "defanged", "parse", "refanged", "typed"]
