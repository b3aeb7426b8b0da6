"""The subset of Lucene's language that `_string` takes (hive-v0 §4.4).

query := or;  or := and ("OR" and)*;  and := unary (["AND"] unary)*;  unary := ("NOT" | "-") unary | "+" unary | atom
atom := "(" or ")" | [field ":"] ("[" a "TO" b "]" | phrase | word)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from waggle.errors import BadRequest
from waggle.query.ast import And, Everything, Has, Node, Not, Or, Ordered, Pattern, Term, Words

MAX_TERMS: Final = 200
MAX_DEPTH: Final = 30

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<mark>[()])|(?P<range>\[\s*(?P<low>\S+)\s+TO\s+(?P<high>[^\s\]]+)\s*\])|"(?P<phrase>(?:[^"\\]|\\.)*)"'
    r"|(?P<field>(?:[^\s()\"\[\]:\\]|\\.)+):(?=\S)|(?P<word>(?:[^\s()\"\[\]\\]|\\.)+))"
)


class SearchError(BadRequest):
    """The text is no search expression."""

    type = "SearchError"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    more: str = ""


def parse(text: str) -> Node:
    """The tree of a search text; an empty one and `*` are everything. Raises SearchError."""
    tokens = _tokens(text)
    if not tokens:
        return Everything()
    reader = _Reader(tokens)
    node = reader.either(0)
    if reader.peek():
        raise SearchError(f"unexpected {reader.peek()!r} in the search text")
    return node


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise SearchError(f"the search text cannot be read from: {text[at : at + 40].strip()}")
        at = found.end()
        if len(tokens) >= MAX_TERMS:
            raise SearchError(f"the search text has more than {MAX_TERMS} terms")
        if found["range"]:
            tokens.append(_Token("range", _plain(found["low"]), _plain(found["high"])))
        else:
            kind = next(name for name in ("mark", "phrase", "field", "word") if found[name] is not None)
            tokens.append(_Token(kind, found[kind] if kind in ("word", "mark") else _plain(found[kind])))
    return tokens


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        """The next token's text if it is a word or a mark; empty at the end."""
        return self._tokens[self._at].text or '""' if self._at < len(self._tokens) else ""

    def _is(self, kind: str, *texts: str) -> bool:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return token is not None and token.kind == kind and (not texts or token.text in texts)

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise SearchError("the search text ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def either(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise SearchError("the search text is nested too deep")
        parts = [self._all(depth)]
        while self._is("word", "OR", "||"):
            self._next()
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, depth: int) -> Node:
        parts = [self._unary(depth)]
        while self._at < len(self._tokens) and not self._is("word", "OR", "||") and not self._is("mark", ")"):
            if self._is("word", "AND", "&&"):
                self._next()
            parts.append(self._unary(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unary(self, depth: int) -> Node:
        negated = False
        while self._is("word", "NOT", "!"):
            self._next()
            negated = not negated
        node = self._atom(depth, sign=True)
        return Not(node) if negated else node

    def _atom(self, depth: int, *, sign: bool) -> Node:
        token = self._next()
        if token.kind == "mark":
            if token.text != "(":
                raise SearchError("unexpected ) in the search text")
            node = self.either(depth + 1)
            if not self._is("mark", ")"):
                raise SearchError("a ) is missing in the search text")
            self._next()
            return node
        if sign and token.text[:1] in ("-", "+") and token.kind in ("word", "field"):
            rest = token.text[1:]
            if rest:
                self._tokens[self._at - 1] = _Token(token.kind, rest, token.more)
                self._at -= 1
            node = self._atom(depth, sign=False)
            return Not(node) if token.text[0] == "-" else node
        if token.kind == "word":
            if token.text in ("AND", "OR", "&&", "||"):
                raise SearchError(f"{token.text} needs a term on both sides")
            return _word(None, token.text)
        if token.kind == "phrase":
            return Words(None, (token.text,))
        if token.kind == "field":
            return self._value(token.text, depth)
        raise SearchError("a range needs a field before it")

    def _value(self, field: str, depth: int) -> Node:
        token = self._next()
        if token.kind == "phrase":
            return Term(field, token.text)
        if token.kind == "range":
            bounds: list[Node] = []
            if token.text != "*":
                bounds.append(Ordered(field, ">=", _number(token.text)))
            if token.more != "*":
                bounds.append(Ordered(field, "<=", _number(token.more)))
            return And(tuple(bounds)) if bounds else Has(field)
        if token.kind == "mark" and token.text == "(":
            return self._group(field, depth)
        if token.kind in ("word", "field"):
            text = token.text
            if token.kind == "field":  # a colon inside the value, as in source:a:b
                text = f"{text}:{self._next().text}"
            return _word(field, text)
        raise SearchError(f"{field}: has no value")

    def _group(self, field: str, depth: int) -> Node:
        """`field:(a OR b)`: the same field for each of the words."""
        inner = self.either(depth + 1)
        if not self._is("mark", ")"):
            raise SearchError("a ) is missing in the search text")
        self._next()
        return _with_field(inner, field)


def _with_field(node: Node, field: str) -> Node:
    if isinstance(node, And | Or):
        return type(node)(tuple(_with_field(part, field) for part in node.parts))
    if isinstance(node, Not):
        return Not(_with_field(node.part, field))
    if isinstance(node, Words) and node.field is None:
        return Term(field, node.phrases[0])
    if isinstance(node, Pattern) and node.field is None:
        return Pattern(field, node.pattern)
    return node


def _word(field: str | None, text: str) -> Node:
    plain = _plain(text)
    if re.search(r"(?<!\\)[*?]", text):
        if plain == "*":
            return Has(field) if field else Everything()
        return Pattern(field, plain)
    return Term(field, plain) if field else Words(None, (plain,))


def _number(text: str) -> str | int | float:
    if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", text):
        return text
    return float(text) if "." in text else int(text)
