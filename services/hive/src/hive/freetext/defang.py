"""Writing indicators so that nothing opens them by accident, and reading them back.

Every pattern here is linear: no repetition inside a repetition, and every repetition bounded.
"""

from __future__ import annotations

import re

DEFANGED_TYPES = frozenset({"url", "ip", "mail", "domain", "filename"})
_SCHEME = re.compile("http", re.IGNORECASE)
_FANGED_SCHEME = re.compile("hxxp", re.IGNORECASE)
# [.] (.) {.} [dot] (dot) and halves of them; [at] (at) [@]; [:] [://] [/]; hxxp, h**p, h__p, fxp.
_DOT = re.compile(r"[\[({][ \t]?(?:\.|dot)[ \t]?[\])}]|\[\.|\.\]", re.IGNORECASE)
_AT = re.compile(r"[\[({][ \t]?(?:@|at)[ \t]?[\])}]", re.IGNORECASE)
_COLON = re.compile(r"[\[({](:(?://)?)[\])}]")
_SLASH = re.compile(r"[\[({]/[\])}]")
_HXXP = re.compile(r"\b(?:hxxp|h\*\*p|h__p|htxp|hxtp)(s?)(?=:|\[:|\b)", re.IGNORECASE)
_FXP = re.compile(r"\bfxp(s?)(?=://)", re.IGNORECASE)
# Characters that are not seen: soft hyphen, zero-width ones, marks of direction, the byte-order mark.
_UNSEEN = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), 0x2060, 0xFEFF])
_BRACKETS = "[({"


def defanged(data_type: str, value: str) -> str:
    """`http://a.example/x` as `hxxp://a[.]example/x`. What is defanged already stays so; types nobody clicks stay as they are."""
    if data_type not in DEFANGED_TYPES:
        return value
    plain = _FANGED_SCHEME.sub("http", value.replace("[.]", "."))
    return _SCHEME.sub("hxxp", plain.replace(".", "[.]"))


def refanged(text: str) -> str:
    """The text with all common ways of defanging undone, and without characters that nobody sees."""
    text = text.translate(_UNSEEN)
    if any(one in text for one in _BRACKETS) or ".]" in text:
        text = _DOT.sub(".", text)
        text = _AT.sub("@", text)
        text = _COLON.sub(r"\1", text)
        text = _SLASH.sub("/", text)
    text = _HXXP.sub(r"http\1", text)
    return _FXP.sub(r"ftp\1", text)
