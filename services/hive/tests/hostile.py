"""Hostile texts, and where they can go: the text fields of request bodies, found in the API document."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

TEXTS = {
    "control": "".join(chr(c) for c in range(1, 32)) + "\x7f\x80\x9f\u2028\ufeff",
    "NUL": "a\0b",
    "combining": "e" + "\u0301" * 40,
    "right to left": "\u202eexe.txt\u202c \u2066\u05e9\u05dc\u05d5\u05dd\u2069",
    "astral": "\U0001d518\U00010348\U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467\U0010ffff",
    "half a pair": "x\ud800y",
    "a pair reversed": "\udc00\ud800",
    "punctuation": "'\"`;:,.!?%_*\\/()[]{}<>|&^~@#$+=-",
    "blanks": " \t\u3000\u00a0\u2003 ",
    "script": "<script>alert('x')</script><img src=x onerror=1>",
    "formula": "=cmd|' /C calc'!A0",
    "placeholders": "{t} {ids} {value} :p1 $1 %s %(x)s {{7*7}} ${7*7}",
    "path": "../../../../etc/passwd",
    "long": "x" * 5000,
    "too long": "x" * 1_100_000,
}
# What a field may refuse for itself; the other texts are tried in all fields of a body at once.
NASTY = {"control", "NUL", "half a pair", "a pair reversed", "punctuation", "blanks", "long", "too long"}
UNSTORABLE = {"NUL", "half a pair", "a pair reversed"}
DEEP = "[" * 1000 + "]" * 1000
HOLE = "\x00deep\x00"
# Fields that must name something that is there.
NAMED = {
    "dataType": "domain", "patternId": "T1566", "profile": "analyst", "organisation": "other", "toOrganisation": "other",
    "objectType": "case", "analyzerId": "none", "responderId": "none", "login": "somebody@soc.example", "colour": "#00ff00",
    "currentPassword": "correct horse battery", "password": "correct horse battery", "stage": "InProgress", "tactic": "x",
    "namespace": "n", "linkType": "default",
}  # fmt: skip

Path = tuple[str, ...]


def encoded(body: Any) -> bytes:
    """ASCII JSON, in which half of a surrogate pair can be written; `HOLE` becomes a list nested 1,000 deep."""
    return json.dumps(body).replace(json.dumps(HOLE), DEEP).encode()


class Document:
    """The API document's request bodies."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self.operations = [
            (method.upper(), path, self.resolved(content["application/json"]["schema"]))
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if "application/json" in (content := operation.get("requestBody", {}).get("content", {}))
        ]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while True:
            if "$ref" in schema:
                schema = self._schemas[schema["$ref"].rsplit("/", 1)[1]]
            elif "anyOf" in schema or "oneOf" in schema:
                schema = next(one for one in schema.get("anyOf") or schema["oneOf"] if one.get("type") != "null")
            else:
                return schema

    def sample(self, schema: dict[str, Any], ids: dict[str, str], name: str = "") -> Any:
        """A small valid value."""
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "object":
            wanted = schema.get("required", [])
            return {one: self.sample(schema["properties"][one], ids, one) for one in wanted}
        if kind == "array":
            return [self.sample(schema["items"], ids, name)] if schema.get("minItems") else []
        if kind in ("integer", "number"):
            return max(1, schema.get("minimum", 1))
        if kind == "boolean":
            return False
        if kind == "string":
            return ids.get(name) or NAMED.get(name, "text")
        return {}

    def texts(self, schema: dict[str, Any], depth: int = 0) -> Iterator[tuple[Path, bool, int]]:
        """The paths of all text fields (`[]`: the one element of a list), whether a list of texts is meant, the longest text."""
        schema = self.resolved(schema)
        if schema.get("type") == "string" and not {"enum", "const"} & schema.keys():
            yield (), False, schema.get("maxLength", sys.maxsize)
        elif schema.get("type") == "array" and depth < 4:
            inner = self.resolved(schema["items"])
            if inner.get("type") == "string" and not {"enum", "const"} & inner.keys():
                yield (), True, inner.get("maxLength", sys.maxsize)
            else:
                for path, several, longest in self.texts(inner, depth + 1):
                    yield ("[]", *path), several, longest
        elif schema.get("type") == "object" and depth < 4:
            for name, part in schema.get("properties", {}).items():
                for path, several, longest in self.texts(part, depth + 1):
                    yield (name, *path), several, longest

    def filled(self, schema: dict[str, Any], ids: dict[str, str], paths: list[tuple[Path, bool, int]], value: Any) -> Any:
        """A valid body, but for the fields at these paths, which hold the value."""
        body = self.sample(schema, ids)
        for path, several, _ in paths:
            self._put(body, self.resolved(schema), path, [value] if several else value, ids)
        return body

    def _put(self, at: Any, schema: dict[str, Any], path: Path, value: Any, ids: dict[str, str]) -> None:
        for place, step in enumerate(path):
            last = place == len(path) - 1
            if step == "[]":
                schema = self.resolved(schema["items"])
                if not at:
                    at.append(self.sample(schema, ids))
                if last:
                    at[0] = value
                else:
                    at = at[0]
                continue
            if last:
                at[step] = value
                return
            schema = self.resolved(schema["properties"][step])
            if not isinstance(at.get(step), dict | list):
                at[step] = self.sample(schema, ids)
            at = at[step]
