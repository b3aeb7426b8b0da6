#!/usr/bin/env python3
"""File information: type by magic numbers, hashes, entropy, strings. Licence: AGPL-3.0 (imports cortexutils)."""

import hashlib
import math
import os
import re

import puremagic
from cortexutils.analyzer import Analyzer

CHUNK = 1 << 20
ENTROPY_FROM = 16 << 20
STRINGS_FROM = 1 << 20
MOST_STRINGS = 200
READABLE = re.compile(rb"[\x20-\x7e]{6,200}")
EXECUTABLE = {".exe", ".dll", ".sys", ".scr", ".elf", ".so", ".msi", ".jar", ".apk", ".com", ".macho"}
SCRIPT = {".js", ".vbs", ".ps1", ".bat", ".cmd", ".hta", ".wsf", ".lnk", ".jse", ".vbe"}
DOUBLE = re.compile(r"\.(pdf|docx?|xlsx?|pptx?|jpe?g|png|gif|txt|html?|zip)\.[a-z0-9]{2,4}$", re.IGNORECASE)
HIGH_ENTROPY = 7.5


def measure(path):
    """Hashes and size in one pass of bounded memory, and the entropy in bits per byte of the first 16 MiB."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256", "sha512")}
    counts = [0] * 256
    size = 0
    with open(path, "rb") as source:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            for one in hashes.values():
                one.update(chunk)
            if size <= ENTROPY_FROM:
                for byte in range(256):
                    counts[byte] += chunk.count(byte)
    total = sum(counts)
    entropy = -sum(n / total * math.log2(n / total) for n in counts if n) if total else 0.0
    return {name: one.hexdigest() for name, one in hashes.items()}, size, round(entropy, 3)


def candidates(path):
    """What the content looks like, most likely first."""
    try:
        found = puremagic.magic_file(path)
    except (puremagic.PureError, ValueError):
        return []
    seen = {}
    for match in found:
        key = (match.extension, match.mime_type)
        seen.setdefault(
            key, {"extension": match.extension, "mime": match.mime_type, "name": match.name, "confidence": match.confidence}
        )
    return sorted(seen.values(), key=lambda m: -m["confidence"])[:5]


def readable_strings(path):
    with open(path, "rb") as source:
        found = READABLE.findall(source.read(STRINGS_FROM))
    return [text.decode("ascii") for text in dict.fromkeys(found)][:MOST_STRINGS]


def oddities(name, types, size, entropy):
    """What an analyst would stop at."""
    found = []
    extension = os.path.splitext(name)[1].lower()
    likely = {t["extension"] for t in types[:3] if t["extension"]}
    if DOUBLE.search(name):
        found.append("the name has a double extension")
    if any("\u202a" <= ch <= "\u202e" or "\u2066" <= ch <= "\u2069" for ch in name):
        found.append("the name holds characters that change the reading direction")
    if likely & EXECUTABLE and extension not in EXECUTABLE:
        found.append(f"an executable named {extension or 'without extension'}")
    if extension in SCRIPT:
        found.append(f"a script or shortcut ({extension})")
    if size == 0:
        found.append("the file is empty")
    if entropy >= HIGH_ENTROPY and not likely & {
        ".zip",
        ".gz",
        ".7z",
        ".rar",
        ".png",
        ".jpg",
        ".jpeg",
        ".docx",
        ".xlsx",
        ".pptx",
    }:
        found.append(f"high entropy ({entropy}): packed or encrypted")
    return found


class FileInformation(Analyzer):
    def run(self):
        path = self.get_param("file", None, "The file is missing from the job folder.")
        if not path:
            self.error("The file is missing from the job folder.")
        name = self.get_param("filename", "file")
        hashes, size, entropy = measure(path)
        types = candidates(path)
        self.report(
            {
                "name": name,
                "size": size,
                "type": types[0] if types else None,
                "candidates": types,
                "hashes": hashes,
                "entropy": entropy,
                "oddities": oddities(name, types, size, entropy),
                "strings": readable_strings(path),
            }
        )

    def summary(self, raw):
        kind = (raw["type"] or {}).get("extension") or "unknown"
        level = "suspicious" if raw["oddities"] else "info"
        lines = [self.build_taxonomy(level, "FileInfo", "Type", kind.lstrip("."))]
        if raw["oddities"]:
            lines.append(self.build_taxonomy("suspicious", "FileInfo", "Oddities", str(len(raw["oddities"]))))
        return {"taxonomies": lines}

    def artifacts(self, raw):
        return [self.build_artifact("hash", raw["hashes"]["sha256"], tags=["file-information"], tlp=self.get_param("tlp", 2))]


if __name__ == "__main__":
    FileInformation().run()
