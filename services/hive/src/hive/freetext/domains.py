"""Is it a host name, and how deep? By the Public Suffix List, and the names that stand beside it."""

from __future__ import annotations

import re
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

# Not in the public tree, and yet met in reports: Tor and other overlays, inner networks, names for documentation.
OUTSIDE = frozenset({"onion", "bit", "i2p", "local", "internal", "lan", "corp", "localdomain", "example", "test"})
LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
LONGEST = 253


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    """Read on first use: a third of a second, 1.5 MB."""
    return PublicSuffixList(accept_unknown=False)


def data_type_of(name: str) -> str | None:
    """`domain` for a name that somebody registered, `fqdn` for one below it, None for what is no host name."""
    name = name.rstrip(".").lower()
    labels = name.split(".")
    if len(name) > LONGEST or len(labels) < 2 or not all(map(LABEL.fullmatch, labels)):
        return None
    if labels[-1].isdigit():
        return None
    if labels[-1] in OUTSIDE:
        return "domain" if len(labels) == 2 else "fqdn"
    registered = _suffixes().privatesuffix(_ascii(name))
    if registered is None:
        return None
    return "domain" if registered == _ascii(name) else "fqdn"


def _ascii(name: str) -> str:
    """The name as DNS has it; the list knows international suffixes by that form."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
