"""What can be searched in a kind of object: its fields, where their values lie, and its relations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FieldKind = Literal["text", "integer", "float", "boolean", "id", "uuid", "scale", "list", "computed"]
Bind = Callable[[Any, str], str]
"""Takes a value and its SQL type, gives what stands for it in the statement."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Candidates from an index that has no order: `key` of the object is among the `rows`, a SELECT for the wanted `{value}`.

    They are at least the objects that fit. `alone`: exactly those, each once, and all of them seen.
    """

    key: str
    rows: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """Values in rows of their own: `alert_tags`, `alert_fields`.

    `owner` refers to the object's id, `fixed` narrows the rows (`{"field_no": 7}`), `date` is a copy of the object's date,
    by which a page can be read in order. `row`: the rows' own key, where one object may hold the same value twice. `alone`: who
    sees a row sees its object, so objects can be counted by the rows alone.
    """

    table: str
    owner: str
    value: str
    date: str | None = None
    org: str | None = "org_id"
    fixed: Mapping[str, int | str] = field(default_factory=dict)
    row: str | None = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """`sql` is the value, `{t}` standing for the object's table; of a field in side rows it is what is sorted by, if anything.

    kind `integer` holds counts and times (ms) alike. kind `scale`: `words` by the number the API shows, several words per
    number where the API knows fewer. kind `computed`: a condition per value, so that an index on the facts can be used.

    The rest lets an index serve where the plain expression would not. `equal`: the condition for an equal value (not for side
    rows). `match` (for a phrase) and `like` (for a pattern of LIKE) find candidates; the value itself is tested as well. `read`:
    turns a value as sent into one as stored.
    """

    sql: str
    kind: FieldKind = "text"
    side: Side | None = None
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    cases: Mapping[str, str] = field(default_factory=dict)
    equal: Callable[[Bind, Any], str] | None = None
    match: Lookup | None = None
    like: Lookup | None = None
    read: Callable[[Any], Any] | None = None

    @property
    def value_kind(self) -> FieldKind:
        """The kind of one value."""
        return "text" if self.kind == "list" else self.kind


@dataclass(frozen=True, slots=True)
class Relation:
    """How another kind is reached; `on` joins `{t}` (the object) and `{other}`."""

    entity: Callable[[], Entity]
    on: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of object. `fields` has `_id` (kind id or uuid); `number` is the alternative key a case has.

    `date` is the column lists are shown by; together with the id it is the order of a page that asks for none: newest first.
    `texts` are the fields a bare search term looks in; `match`, if there is one, finds whole words in their place. `custom`
    finds fields by name that `fields` does not list. `ignored`: names that a filter may use and that hold for every object.
    """

    kind: str
    table: str
    fields: Mapping[str, Field]
    id: str = "id"
    org: str | None = "org_id"
    date: str | None = None
    number: str | None = None
    texts: tuple[str, ...] = ()
    match: Lookup | None = None
    custom: Callable[[str], Field | None] | None = None
    parents: Mapping[str, Relation] = field(default_factory=dict)
    children: Mapping[str, Relation] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def find(self, name: str) -> Field | None:
        found = self.fields.get(name)
        return self.custom(name) if found is None and self.custom else found
