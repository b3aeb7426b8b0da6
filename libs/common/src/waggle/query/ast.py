"""A filter as a small tree: what both search languages mean, apart from how they write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Order = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Everything:
    """Holds for every object."""


@dataclass(frozen=True, slots=True)
class And:
    """Holds if all parts do; without parts always."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Holds if one part does; without parts never."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The complement: also holds where the part cannot be told, because a value is absent."""

    part: Node


@dataclass(frozen=True, slots=True)
class Equal:
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Ordered:
    field: str
    order: Order
    value: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    field: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """The field has a value: present, not null, not an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole text fits, upper and lower case alike; `*` stands for any text, `?` for one character.

    `field` None: some text of the object has a part that fits.
    """

    field: str | None
    pattern: str


@dataclass(frozen=True, slots=True)
class Affix:
    """The text begins or ends with this, exactly."""

    field: str
    text: str
    end: bool


@dataclass(frozen=True, slots=True)
class Words:
    """The text contains each of these phrases as whole words, in any case. `field` None: some text of the object does."""

    field: str | None
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """`field:word` of a search text: the same value, or for prose these words in it."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Identified:
    """The object of this id or alternative key."""

    value: Any


@dataclass(frozen=True, slots=True)
class Kind:
    name: str


@dataclass(frozen=True, slots=True)
class Related:
    """An object of this kind, above (`parent`) or below, fits."""

    parent: bool
    kind: str
    query: Node


Node = Everything | And | Or | Not | Equal | Ordered | OneOf | Has | Pattern | Affix | Words | Term | Identified | Kind | Related


EVERYTHING = Everything()


@dataclass(frozen=True, slots=True)
class SortKey:
    field: str
    descending: bool = False
