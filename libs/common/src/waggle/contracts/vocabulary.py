"""Markings, severities and verdict levels as words; the numbers of each outside API live at its edge.

The order of TLP_LEVELS and PAP_LEVELS is their strictness. Whatever is not known reads as RED, the strictest
(threats S15: an unknown marking must never weaken a policy).
"""

from __future__ import annotations

from typing import Final, Literal

Tlp = Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]
Pap = Literal["CLEAR", "GREEN", "AMBER", "RED"]
VerdictLevel = Literal["info", "safe", "suspicious", "malicious"]

TLP_LEVELS: Final[tuple[Tlp, ...]] = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
PAP_LEVELS: Final[tuple[Pap, ...]] = ("CLEAR", "GREEN", "AMBER", "RED")
DEFAULT_TLP: Final[Tlp] = "AMBER"
DEFAULT_PAP: Final[Pap] = "AMBER"
SEVERITY_LABELS: Final[dict[int, str]] = {1: "LOW", 2: "MEDIUM", 3: "HIGH", 4: "CRITICAL"}
VERDICT_LEVELS: Final[tuple[VerdictLevel, ...]] = ("info", "safe", "suspicious", "malicious")

CASE_INSENSITIVE_TYPES: Final[frozenset[str]] = frozenset(
    {"domain", "fqdn", "hostname", "mail", "ip", "hash", "autonomous-system"}
)


def tlp_word(word: object) -> Tlp:
    """The TLP a word names, without regard to case; WHITE is CLEAR, anything unknown is RED."""
    text = str(word).strip().upper().removeprefix("TLP:")
    if text == "WHITE":
        return "CLEAR"
    return next((level for level in TLP_LEVELS if level == text), "RED")


def pap_word(word: object) -> Pap:
    """The PAP a word names, without regard to case; WHITE is CLEAR, anything unknown is RED."""
    text = str(word).strip().upper().removeprefix("PAP:")
    if text == "WHITE":
        return "CLEAR"
    return next((level for level in PAP_LEVELS if level == text), "RED")


def stricter_tlp(tlp: Tlp, limit: Tlp) -> bool:
    """Whether `tlp` is stricter than `limit` allows."""
    return TLP_LEVELS.index(tlp) > TLP_LEVELS.index(limit)


def stricter_pap(pap: Pap, limit: Pap) -> bool:
    """Whether `pap` is stricter than `limit` allows."""
    return PAP_LEVELS.index(pap) > PAP_LEVELS.index(limit)


def verdict_level(word: object) -> VerdictLevel:
    """The level of a verdict line; unknown words are `info` (as cortexutils' build_taxonomy does)."""
    return next((level for level in VERDICT_LEVELS if level == word), "info")
