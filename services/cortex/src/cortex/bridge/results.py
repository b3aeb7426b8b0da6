"""What a module answers, as an analyzer's report: contracts/misp.md §6.2, §6.4."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cortex.misp.types import ALIASES, DATA_TYPES, FILE_TYPES, data_type_of, halves_of

NAMESPACE = "MISPModule"
NO_ANSWER = "The module {0} gave no answer."
MORE_TYPES = {"email": "mail", "AS": "autonomous-system", "hostname": "fqdn", "link": "url", "tlsh": "hash"}
FREE_TEXT: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"\bhttps?://[^\s\"'<>]{3,2000}", re.IGNORECASE)),
    ("mail", re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b")),
    ("ip", re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b")),
    ("hash", re.compile(r"\b(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b")),
    ("domain", re.compile(r"\b(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}\b", re.IGNORECASE)),
)


class ModuleFailed(Exception):
    """The module's own words on why it has nothing."""


@dataclass(slots=True)
class Found:
    """`output` is what a program would write to `output.json`; `files` the contents that its artifacts name."""

    output: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


def report(answer: Any, *, module: str, version: str, asked: str, tlp: int) -> Found:
    """`asked` is the value the module was asked about: it is nothing that was found. Raises ModuleFailed."""
    if not isinstance(answer, dict) or not answer:
        raise ModuleFailed(NO_ANSWER.format(module))
    if (error := answer.get("error")) is not None:
        raise ModuleFailed(error if isinstance(error, str) else json.dumps(error))
    results = answer.get("results")
    collected = _Artifacts(asked, tlp)
    if isinstance(results, dict):
        count = collected.standard(results)
    elif isinstance(results, list):
        count = collected.simple(results)
    else:
        raise ModuleFailed(f"{NO_ANSWER.format(module)} {json.dumps(answer)[:1000]}")
    taxonomy = {"level": "info", "namespace": NAMESPACE, "predicate": module, "value": f"{count} result(s)"}
    output = {
        "success": True,
        "full": {**answer, "module": module, "version": version},
        "summary": {"taxonomies": [taxonomy]},
        "artifacts": collected.list,
        "operations": [],
    }
    return Found(output, collected.files)


class _Artifacts:
    def __init__(self, asked: str, tlp: int) -> None:
        self._asked, self._tlp = asked, tlp
        self._seen: set[tuple[str, str]] = set()
        self.list: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}

    def simple(self, results: list[Any]) -> int:
        """`[{"types": …, "values": …}]`; of several types the first that we have a data type for."""
        for result in results:
            if not isinstance(result, dict):
                continue
            types = [t for t in _listed(result.get("types")) if isinstance(t, str)]
            misp_type = next((t for t in types if _data_type(t) != "other" or t == "freetext"), types[0] if types else "other")
            for value in _listed(result.get("values")):
                self._add(misp_type, value, result.get("data"), _tags(result.get("tags")), result.get("comment"))
        return len(results)

    def standard(self, results: dict[str, Any]) -> int:
        """`{"Attribute": […], "Object": […], "Tag": […]}`."""
        every = _tags(results.get("Tag"))
        attributes, objects = _objects(results.get("Attribute")), _objects(results.get("Object"))
        for attribute in attributes:
            self._attribute(attribute, every, "")
        for one in objects:
            for attribute in _objects(one.get("Attribute")):
                self._attribute(attribute, every, f"{one.get('name', '')}/{attribute.get('object_relation', '')}")
        return len(attributes) + len(objects)

    def _attribute(self, attribute: dict[str, Any], tags: list[str], place: str) -> None:
        misp_type = attribute.get("type")
        comment = ": ".join(text for text in (place, attribute.get("comment")) if isinstance(text, str) and text)
        own = [*tags, *_tags(attribute.get("Tag"))]
        self._add(
            misp_type if isinstance(misp_type, str) else "other", attribute.get("value"), attribute.get("data"), own, comment
        )

    def _add(self, misp_type: str, value: Any, data: Any, tags: list[str], comment: Any) -> None:
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        base = {
            "tags": list(dict.fromkeys(tags)),
            "tlp": self._tlp,
            "message": comment if isinstance(comment, str) and comment else None,
        }
        if misp_type in FILE_TYPES and (content := _content(data)) is not None:
            stored = f"module{len(self.files)}"
            self.files[stored] = content
            name = f"{text.partition('|')[0]}.zip" if misp_type == "malware-sample" else text
            self.list.append({**base, "dataType": "file", "file": stored, "filename": name or "file"})
            return
        for data_type, part in _values(misp_type, text):
            if part and part != self._asked and (data_type, part) not in self._seen:
                self._seen.add((data_type, part))
                self.list.append({**base, "dataType": data_type, "data": part})


def _values(misp_type: str, text: str) -> Iterator[tuple[str, str]]:
    if misp_type == "freetext":
        rest = text
        for data_type, pattern in FREE_TEXT:
            yield from ((data_type, found.group().rstrip(".,;)")) for found in pattern.finditer(rest))
            rest = pattern.sub(" ", rest)
        return
    if misp_type in FILE_TYPES:  # without a content it is but a name
        yield "filename", text.partition("|")[0]
        return
    yield from halves_of(misp_type, text) or [(_data_type(misp_type), text)]


def _data_type(misp_type: str) -> str:
    if misp_type in MORE_TYPES:
        return MORE_TYPES[misp_type]
    return ALIASES.get(misp_type) or (data_type_of(misp_type) if misp_type in DATA_TYPES else "other")


def _content(data: Any) -> bytes | None:
    if not isinstance(data, str) or not data:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in _listed(value) if isinstance(one, dict)]


def _tags(value: Any) -> list[str]:
    names = [tag.get("name") if isinstance(tag, dict) else tag for tag in _listed(value)]
    return [name for name in names if isinstance(name, str)]
