"""TLP and PAP between Cortex' numbers and our words. A number means something only together with its API: 3 is RED here."""

from __future__ import annotations

from waggle.contracts.vocabulary import Pap, Tlp

TLP_NUMBERS: dict[str, int] = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "AMBER+STRICT": 3, "RED": 3}
PAP_NUMBERS: dict[str, int] = {"CLEAR": 0, "GREEN": 1, "AMBER": 2, "RED": 3}
TLP_WORDS: tuple[Tlp, ...] = ("CLEAR", "GREEN", "AMBER", "RED")
PAP_WORDS: tuple[Pap, ...] = ("CLEAR", "GREEN", "AMBER", "RED")
