"""From the tree to SQL over an entity's register. Names come from the register, values are always parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from waggle.errors import BadRequest
from waggle.query.ast import (
    Affix,
    And,
    Equal,
    Everything,
    Has,
    Identified,
    Kind,
    Node,
    Not,
    OneOf,
    Or,
    Ordered,
    Pattern,
    Related,
    SortKey,
    Term,
    Words,
)
from waggle.query.register import Entity, Field, Lookup, Side
from waggle.query.values import NoMatch, escaped, like_pattern, parameter, text, word_regex

TRUE, FALSE = "true", "false"
_COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(slots=True)
class Parameters:
    """The statement's parameters, in their order; `first` is the number of the next one."""

    first: int = 1
    values: list[Any] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    _aliases: count[int] = field(default_factory=count)

    def bind(self, value: Any, sql_type: str) -> str:
        self.values.append(value)
        self.types.append(sql_type)
        return f"${self.first + len(self.values) - 1}::{sql_type}"

    def alias(self) -> str:
        return f"q{next(self._aliases)}"


@dataclass(frozen=True, slots=True)
class Compiler:
    """Conditions over one object, whose table goes by `alias`. `org` narrows every row that is read, of side tables too.

    `probing`: the objects come from elsewhere, one by one, so that no index is asked for candidates of a pattern.
    """

    entity: Entity
    alias: str
    parameters: Parameters
    org: int | str | None = None
    coerces: bool = False
    probing: bool = False

    def condition(self, node: Node) -> str:
        """Never null, so that it can be negated."""
        match node:
            case Everything():
                return TRUE
            case And(parts):
                return self._joined(parts, " AND ", TRUE)
            case Or(parts):
                return self._joined(parts, " OR ", FALSE)
            case Not(part):
                return f"NOT coalesce({self.condition(part)}, false)"
            case Kind(name):
                return TRUE if name == self.entity.kind else FALSE
            case Identified(value):
                return self._identified(value)
            case Related():
                return self._related(node)
            case Words(None, phrases):
                return self._bare_words(phrases)
            case Pattern(None, pattern):
                return self.condition(Or(tuple(Pattern(f, f"*{pattern}*") for f in self.entity.texts)))
            case _:
                return self._about_field(node)

    def _joined(self, parts: tuple[Node, ...], word: str, empty: str) -> str:
        return "(" + word.join(self.condition(part) for part in parts) + ")" if parts else empty

    def _bare_words(self, phrases: tuple[str, ...]) -> str:
        match = self.entity.match
        if match is None:
            return self.condition(And(tuple(Or(tuple(Words(f, (p,)) for f in self.entity.texts)) for p in phrases)))
        try:
            return "(" + " AND ".join(self._among(match, self.parameters.bind(text(p), "text")) for p in phrases) + ")"
        except NoMatch:
            return FALSE

    def _among(self, lookup: Lookup, value: str) -> str:
        return f"{lookup.key.replace('{t}', self.alias)} IN ({lookup.rows.replace('{value}', value)})"

    def candidates(self, node: Node) -> tuple[str, str] | None:
        """The key and the rows in which it must be if the node is to hold, where an unordered index finds them."""
        lookup, wanted = None, ""
        match node:
            case Words(None, (wanted, *_)):
                lookup = self.entity.match
            case Words(str() as name, (wanted, *_)):
                lookup = self.find(name).match
            case Pattern(str() as name, pattern):
                lookup, wanted = self.find(name).like, like_pattern(pattern)
            case Affix(name, affix, end):
                lookup, wanted = self.find(name).like, f"%{escaped(affix)}" if end else f"{escaped(affix)}%"
        if lookup is None or not wanted.strip():
            return None
        try:
            bound = self.parameters.bind(text(wanted), "text")
        except NoMatch:
            return None
        return lookup.key.replace("{t}", self.alias), lookup.rows.replace("{value}", bound)

    def _about_field(self, node: Node) -> str:
        name = getattr(node, "field")  # noqa: B009  every node left has one
        if name in self.entity.ignored:
            return TRUE
        found = self.find(name)
        if found.kind == "computed":
            return self._computed(name, found, node)
        taken = len(self.parameters.values)
        try:
            if found.side is not None:
                return self.in_side(found.side, lambda value: self.test(name, found, value, node))
            if found.kind == "list" and not isinstance(node, Has):
                return self._any_element(name, found, node)
            return self.test(name, found, self.sql(found), node)
        except NoMatch:
            del self.parameters.values[taken:], self.parameters.types[taken:]
            return FALSE

    def find(self, name: str) -> Field:
        found = self.entity.find(name)
        if found is None:
            known = ", ".join(sorted(self.entity.fields))
            raise BadRequest(f"there is no property {name[:100]} of {self.entity.kind}; there are {known}")
        return found

    def sql(self, found: Field) -> str:
        return found.sql.replace("{t}", self.alias)

    def test(self, name: str, found: Field, value: str, node: Node) -> str:
        """The condition on one value. Raises NoMatch where no object can have it, BadRequest where the types differ."""
        match node:
            case Has():
                return f"cardinality({value}) > 0" if found.kind == "list" and found.side is None else f"{value} IS NOT NULL"
            case Equal(_, None):
                return f"{value} IS NULL" if found.side is None and found.kind != "list" else FALSE
            case Equal(_, wanted):
                return self._equal(name, found, value, wanted)
            case OneOf(_, wanted):
                return self._one_of(name, found, value, wanted)
            case Ordered():
                return self._ordered(name, found, value, node)
            case Term(_, words):
                return self._term(name, found, value, words)
            case Pattern(_, pattern):
                self._must_be_text(name, found)
                return self._fits(found, value, "ILIKE", like_pattern(text(pattern)))
            case Affix(_, affix, end):
                self._must_be_text(name, found)
                bare = escaped(text(affix))
                return self._fits(found, value, "LIKE", f"%{bare}" if end else f"{bare}%")
            case Words(_, phrases):
                self._must_be_text(name, found)
                return self._words(found, value, phrases)
        raise AssertionError(f"no such node: {node}")

    def _equal(self, name: str, found: Field, value: str, wanted: Any, *, coerces: bool | None = None) -> str:
        bound, sql_type = parameter(name, found, wanted, coerces=self.coerces if coerces is None else coerces)
        if found.equal is not None:
            return found.equal(self.parameters.bind, bound).replace("{t}", self.alias)
        if found.kind == "scale":
            words = list(found.words.get(bound, ())) if sql_type == "bigint" else []
            return f"{value} = ANY({self.parameters.bind(words, 'text[]')})"
        return f"{value} = {self.parameters.bind(bound, sql_type)}"

    def _one_of(self, name: str, found: Field, value: str, wanted: tuple[Any, ...]) -> str:
        if found.equal is not None:
            return self._joined(tuple(Equal(name, item) for item in wanted), " OR ", FALSE)
        by_type: dict[str, list[Any]] = {}
        for item in wanted:
            try:
                bound, sql_type = parameter(name, found, item, coerces=self.coerces)
            except NoMatch:
                continue
            by_type.setdefault(sql_type, []).append(bound)
        if found.kind == "scale":
            words = [word for number in by_type.get("bigint", []) for word in found.words.get(number, ())]
            by_type = {"text": words}
        parts = [f"{value} = ANY({self.parameters.bind(items, f'{kind}[]')})" for kind, items in by_type.items()]
        return "(" + " OR ".join(parts) + ")" if parts else FALSE

    def _ordered(self, name: str, found: Field, value: str, node: Ordered) -> str:
        bound, sql_type = parameter(name, found, node.value, coerces=self.coerces)
        if found.kind == "scale":
            words = [word for number, names in found.words.items() if _COMPARE[node.order](number, bound) for word in names]
            return f"{value} = ANY({self.parameters.bind(words, 'text[]')})"
        if sql_type == "boolean":
            raise BadRequest(f"{name} is true or false and has no order")
        return f"{value} {node.order} {self.parameters.bind(bound, sql_type)}"

    def _term(self, name: str, found: Field, value: str, words: str) -> str:
        equal = self._equal(name, found, value, words, coerces=True)
        if found.value_kind != "text":
            return equal
        return f"({equal} OR {self._words(found, value, (words,))})"

    def _words(self, found: Field, value: str, phrases: tuple[str, ...]) -> str:
        parts = []
        for phrase in phrases:
            clean = text(phrase)
            if not clean.strip():
                continue
            if found.match:
                parts.append(self._among(found.match, self.parameters.bind(clean, "text")))
            parts.append(f"{value} ~* {self.parameters.bind(word_regex(clean), 'text')}")
        return "(" + " AND ".join(parts) + ")" if parts else TRUE

    def _fits(self, found: Field, value: str, operator: str, pattern: str) -> str:
        bound = self.parameters.bind(pattern, "text")
        exact = f"{value} {operator} {bound}"
        return f"({self._among(found.like, bound)} AND {exact})" if found.like and not self.probing else exact

    def _must_be_text(self, name: str, found: Field) -> None:
        if found.value_kind != "text":
            raise BadRequest(f"{name} is not a text")

    def _any_element(self, name: str, found: Field, node: Node) -> str:
        if isinstance(node, Equal) and node.value is None:
            return f"coalesce(cardinality({self.sql(found)}), 0) = 0"
        element = self.parameters.alias()
        inner = self.test(name, found, element, node)
        return f"EXISTS (SELECT FROM unnest({self.sql(found)}) AS {element} WHERE {inner})"

    def _computed(self, name: str, found: Field, node: Node) -> str:
        match node:
            case Equal(_, value) | Term(_, value):
                wanted: tuple[Any, ...] = (value,)
            case OneOf(_, values):
                wanted = values
            case Has():
                return TRUE
            case _:
                raise BadRequest(f"{name} can only be equal, not equal, or one of some values")
        conditions = [found.cases[value].replace("{t}", self.alias) for value in wanted if value in found.cases]
        return "(" + " OR ".join(f"({condition})" for condition in conditions) + ")" if conditions else FALSE

    def in_side(self, side: Side, test: Any) -> str:
        """Whether the object has a row whose value passes the test: driven from the rows, not probed per object."""
        row = self.parameters.alias()
        conditions = [*self.side_rows(side, row), test(f"{row}.{side.value}")]
        inner = " AND ".join(conditions)
        return f"{self.alias}.{self.entity.id} IN (SELECT {row}.{side.owner} FROM {side.table} {row} WHERE {inner})"

    def side_rows(self, side: Side, row: str) -> list[str]:
        """Which rows of the side table hold this field's values."""
        conditions = [self._org(row, side.org)] if side.org and self.org is not None else []
        for column, value in side.fixed.items():
            sql_type = "bigint" if isinstance(value, int) else "text"
            conditions.append(f"{row}.{column} = {self.parameters.bind(value, sql_type)}")
        return conditions

    def scope(self) -> list[str]:
        """The condition that keeps the object within the organisation."""
        return [self._org(self.alias, self.entity.org)] if self.entity.org and self.org is not None else []

    def _org(self, table: str, column: str) -> str:
        sql_type = "bigint" if isinstance(self.org, int) else "text"
        return f"{table}.{column} = {self.parameters.bind(self.org, sql_type)}"

    def _identified(self, value: Any) -> str:
        number = self.entity.number
        if number and (isinstance(value, int) or (str(value).isascii() and str(value).isdigit())) and not isinstance(value, bool):
            wanted = Field(number, "integer")
            return self.test("_id", wanted, self.sql(wanted), Equal("_id", int(str(value)[:30])))
        return self._about_field(Equal("_id", value))

    def _related(self, node: Related) -> str:
        relations = self.entity.parents if node.parent else self.entity.children
        relation = relations.get(node.kind)
        word = "_parent" if node.parent else "_child"
        if relation is None:
            known = ", ".join(sorted(relations)) or "none"
            raise BadRequest(f"{self.entity.kind} has no {word} {node.kind[:50]}; there are: {known}")
        other = relation.entity()
        alias = self.parameters.alias()
        inner = Compiler(other, alias, self.parameters, self.org, self.coerces)
        joined = relation.on.replace("{t}", self.alias).replace("{other}", alias)
        conditions = " AND ".join([joined, *inner.scope(), inner.condition(node.query)])
        return f"EXISTS (SELECT FROM {other.table} {alias} WHERE {conditions})"

    def order(self, key: SortKey) -> str:
        """One sort key; objects without a value come last in both directions."""
        found = self.find(key.field)
        direction = "DESC" if key.descending else "ASC"
        return f"{self._sortable(found)} {direction} NULLS LAST"

    def _sortable(self, found: Field) -> str:
        if found.kind == "scale":
            words = [word for _, names in sorted(found.words.items()) for word in names]
            return f"array_position({self.parameters.bind(words, 'text[]')}, {self.sql(found)})"
        if found.side is not None and not found.sql:
            row = self.parameters.alias()
            inner = " AND ".join([f"{row}.{found.side.owner} = {self.alias}.{self.entity.id}", *self.side_rows(found.side, row)])
            return f"(SELECT min({row}.{found.side.value}) FROM {found.side.table} {row} WHERE {inner})"
        return self.sql(found)
