"""Observables as a STIX 2.1 bundle and back: cyber-observable objects, an indicator beside each IOC, TLP 2.0 markings.

Identifiers follow from the content (STIX 2.1 §2.9), so that the same value is the same object in every export. Values are never
defanged: a bundle is for machines.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson

from hive.freetext import typed
from hive.observables.models import Observable
from waggle.contracts.vocabulary import TLP_LEVELS, Tlp, tlp_word

SCO_NAMESPACE = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9, the one for observables
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
MARKINGS: dict[Tlp, str] = {  # OASIS' TLP 2.0 extension
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
OLD_MARKINGS: dict[str, Tlp] = {  # TLP 1 of the STIX 2.1 standard itself
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "CLEAR",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "AMBER",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "RED",
}
WORDS = {**{marking: word for word, marking in MARKINGS.items()}, **OLD_MARKINGS}
HASHES = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
# One comparison of a pattern: [domain-name:value = 'evil.example']
COMPARISON = re.compile(r"([a-z0-9-]{1,50}):([A-Za-z0-9_.'-]{1,60})\s{0,4}=\s{0,4}'((?:[^'\\]|\\.){1,4096})'")
EXTENSION_KEY = "x_waggle_data_type"


def _simple(kind: str, key: str = "value") -> Callable[[str], dict[str, Any]]:
    return lambda value: {"type": kind, key: value}


def _address(value: str) -> dict[str, Any] | None:
    try:
        version = ipaddress.ip_network(value, strict=False).version
    except ValueError:
        return None
    return {"type": f"ipv{version}-addr", "value": value}


def _hash(value: str) -> dict[str, Any] | None:
    name = HASHES.get(len(value))
    return {"type": "file", "hashes": {name: value.lower()}} if name else None


def _number(value: str) -> dict[str, Any] | None:
    digits = value.upper().removeprefix("ASN").removeprefix("AS").strip()
    return {"type": "autonomous-system", "number": int(digits)} if digits.isascii() and digits.isdigit() else None


SHAPES: dict[str, Callable[[str], dict[str, Any] | None]] = {
    "domain": _simple("domain-name"), "fqdn": _simple("domain-name"), "hostname": _simple("domain-name"), "url": _simple("url"),
    "mail": _simple("email-addr"), "filename": _simple("file", "name"), "registry": _simple("windows-registry-key", "key"),
    "ip": _address, "hash": _hash, "autonomous-system": _number,
}  # fmt: skip
CONTRIBUTING = {"file": ("hashes", "name"), "windows-registry-key": ("key",), "autonomous-system": ("number",)}


def cyber_observable(row: Observable) -> dict[str, Any] | None:
    """The STIX object of an observable without its identifier; None where STIX has no such object."""
    if row.sha256 is not None:
        hashes = {"SHA-256": row.sha256.hex()}
        if row.blob is not None:
            hashes = {"MD5": row.blob["md5"], "SHA-1": row.blob["sha1"], **hashes}
        return {"type": "file", "hashes": hashes, "name": row.file_name, **({"size": row.blob["size"]} if row.blob else {})}
    shape = SHAPES.get(row.data_type)
    return shape(row.data or "") if shape else None


def _identified(shape: dict[str, Any]) -> dict[str, Any]:
    kind = shape["type"]
    chosen = {key: shape[key] for key in CONTRIBUTING.get(kind, ("value",)) if key in shape}
    if "hashes" in chosen:  # the first of MD5, SHA-1, SHA-256, SHA-512 that is there
        name = next(n for n in ("MD5", "SHA-1", "SHA-256", "SHA-512") if n in chosen["hashes"])
        chosen["hashes"] = {name: chosen["hashes"][name]}
    canonical = orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS).decode()
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid5(SCO_NAMESPACE, canonical)}", **shape}


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def pattern(shape: dict[str, Any]) -> str:
    """The STIX pattern that finds what a cyber-observable object describes."""
    kind = shape["type"]
    if "hashes" in shape:
        parts = [f"file:hashes.'{name}' = {_quoted(value)}" for name, value in shape["hashes"].items()]
        return f"[{' OR '.join(parts)}]"
    key = next(k for k in ("value", "key", "number", "name") if k in shape)
    value = str(shape[key]) if key == "number" else _quoted(str(shape[key]))
    return f"[{kind}:{key} = {value}]"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _indicator(row: Observable, shape: dict[str, Any], stix_id: UUID) -> dict[str, Any]:
    made, changed = _time(row.created_at), _time(row.updated_at or row.created_at)
    shown: dict[str, Any] = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid5(stix_id, str(row.id))}",
        "created": made, "modified": changed, "name": f"{row.data_type}: {row.data or row.file_name}"[:512],
        "indicator_types": ["malicious-activity"], "pattern": pattern(shape), "pattern_type": "stix", "valid_from": made,
        "object_marking_refs": [MARKINGS[tlp_word(row.tlp)]],
    }  # fmt: skip
    if row.message:
        shown["description"] = row.message
    if row.tags:
        shown["labels"] = row.tags
    return shown


def objects_of(row: Observable, stix_id: UUID) -> Iterator[dict[str, Any]]:
    """The STIX objects of one observable; none for a type that STIX does not know (a subject, a user agent)."""
    shape = cyber_observable(row)
    if shape is None:
        return
    yield {**_identified(shape), "object_marking_refs": [MARKINGS[tlp_word(row.tlp)]]}
    if row.ioc:
        yield _indicator(row, shape, stix_id)


def marking(word: Tlp) -> dict[str, Any]:
    """A TLP 2.0 marking as OASIS defines it."""
    return {
        "type": "marking-definition", "spec_version": "2.1", "id": MARKINGS[word], "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{word}",
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": word.lower()}},
    }  # fmt: skip


async def written(batches: AsyncIterator[Sequence[Observable]], *, stix_id: UUID) -> AsyncIterator[bytes]:
    """A bundle, piece by piece: the markings, then each value's objects once."""
    yield f'{{"type":"bundle","id":"bundle--{stix_id}","objects":['.encode()
    yield b",".join(orjson.dumps(marking(word)) for word in TLP_LEVELS)
    seen: set[str] = set()
    async for rows in batches:
        fresh = {one["id"]: one for row in rows for one in objects_of(row, stix_id) if one["id"] not in seen}
        seen |= fresh.keys()
        if fresh:
            yield b"," + b",".join(map(orjson.dumps, fresh.values()))
    yield b"]}"


def read(bundle: Any) -> Iterator[tuple[str, str, Tlp | None, bool, str | None]]:
    """Type, value, TLP, whether it is an IOC, and description of what a bundle holds. Raises ValueError for what is none."""
    objects = bundle.get("objects") if isinstance(bundle, dict) else None
    if not isinstance(objects, list) or bundle.get("type") != "bundle":
        raise ValueError("it is no STIX bundle")
    for one in objects:
        if not isinstance(one, dict):
            continue
        tlp = _strictest(one.get("object_marking_refs"))
        if one.get("type") == "indicator":
            if one.get("pattern_type", "stix") == "stix" and isinstance(one.get("pattern"), str):
                said = one.get("description")
                for value in _of_pattern(one["pattern"]):
                    yield *value, tlp, True, said if isinstance(said, str) else None
        else:
            for value in _of_object(one):
                yield *value, tlp, False, None


def _strictest(refs: Any) -> Tlp | None:
    words = [WORDS[ref] for ref in refs if isinstance(ref, str) and ref in WORDS] if isinstance(refs, list) else []
    return max(words, key=TLP_LEVELS.index, default=None)


def _of_object(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kind = str(one.get("type"))
    hashes = one.get("hashes")
    if kind == "file" and isinstance(hashes, dict):
        yield from (("hash", value) for name, value in hashes.items() if name in HASHES.values() and isinstance(value, str))
    for key in ("value", "key", "number", "name"):
        if key in one and (found := _named(kind, key, str(one[key]))):
            yield found
            return


def _of_pattern(text: str) -> Iterator[tuple[str, str]]:
    for match in COMPARISON.finditer(text[:100_000]):
        value = re.sub(r"\\(.)", r"\1", match[3])
        found = ("hash", value) if match[2].startswith("hashes") else _named(match[1], match[2], value)
        if found:
            yield found


def _named(kind: str, key: str, value: str) -> tuple[str, str] | None:
    if kind == "domain-name" and key == "value":
        depth = typed(value).data_type
        return (depth if depth in ("domain", "fqdn") else "domain"), value
    plain = {
        ("ipv4-addr", "value"): "ip", ("ipv6-addr", "value"): "ip", ("url", "value"): "url", ("email-addr", "value"): "mail",
        ("file", "name"): "filename", ("windows-registry-key", "key"): "registry",
    }  # fmt: skip
    if (kind, key) in plain:
        return plain[kind, key], value
    return ("autonomous-system", f"AS{value}") if (kind, key) == ("autonomous-system", "number") else None
