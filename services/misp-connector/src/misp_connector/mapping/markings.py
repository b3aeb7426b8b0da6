"""TLP and PAP tags → words. The strictest tag of the `tlp:` and `PAP:` namespaces counts, all other taxonomies do not
(`cossi:TLP="white"` says nothing to us); no tag, `tlp:unclear` and `tlp:ex:…` mean AMBER (domain §1.2)."""

from __future__ import annotations

from collections.abc import Iterable

from misp_connector.mapping.event import Tag
from waggle.contracts.vocabulary import DEFAULT_PAP, PAP_LEVELS, TLP_LEVELS, Pap, Tlp, pap_word, tlp_word


def is_marking(tag: Tag) -> bool:
    return tag.name.lower().startswith(("tlp:", "pap:"))


def tlp_of(tags: Iterable[Tag]) -> Tlp | None:
    """The strictest TLP these tags name; None when they name none."""
    return max((_tlp(tag) for tag in tags if tag.name.lower().startswith("tlp:")), key=TLP_LEVELS.index, default=None)


def pap_of(tags: Iterable[Tag]) -> Pap:
    """The strictest PAP these tags name, else the default."""
    named = [pap_word(tag.name) for tag in tags if tag.name.lower().startswith("pap:")]
    return max(named, key=PAP_LEVELS.index, default=DEFAULT_PAP)


def stricter(one: Tlp, other: Tlp) -> Tlp:
    return max(one, other, key=TLP_LEVELS.index)


def _tlp(tag: Tag) -> Tlp:
    word = tag.name.lower().removeprefix("tlp:")
    if word == "unclear" or word.startswith("ex:"):
        return "AMBER"
    return tlp_word(word)
