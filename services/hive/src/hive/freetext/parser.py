"""The parser: first what has a grammar of its own (URLs, header lines, registry keys), then the rest word by word.

Linear in the text: each character is looked at a bounded number of times. Words of a pasted text are classified by what they
contain, with the cheap questions first, so that prose costs next to nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hive.freetext.defang import refanged
from hive.freetext.domains import data_type_of

MAX_VALUE = 4096
HASH_LENGTHS = frozenset({32, 40, 56, 64, 96, 128})
FOLDED = frozenset({"domain", "fqdn", "mail", "ip", "hash", "autonomous-system"})
# Endings that make a file name; com is left out, it is a domain far more often.
FILE_ENDINGS = frozenset({
    "7z", "ace", "apk", "app", "asp", "aspx", "bat", "bin", "bmp", "cab", "chm", "class", "cmd", "conf", "cpl", "crx", "csv",
    "dat", "dll", "dmg", "doc", "docm", "docx", "dotm", "elf", "eml", "exe", "gif", "gz", "hta", "html", "htm", "ico", "img",
    "ini", "iso", "jar", "jpeg", "jpg", "js", "jse", "json", "jsp", "lnk", "log", "md", "mht", "msg", "msi", "msix", "ocx",
    "one", "pdf", "php", "pif", "png", "ppt", "pptm", "pptx", "ps1", "psd1", "psm1", "py", "rar", "reg", "rtf", "scr", "sct",
    "sh", "sys", "tar", "tgz", "tmp", "txt", "url", "vbe", "vbs", "vhd", "vhdx", "wll", "wsf", "xla", "xlam", "xll", "xls",
    "xlsb", "xlsm", "xlsx", "xml", "yar", "yaml", "yml", "zip",
})  # fmt: skip
URL = re.compile(r"\b(?:https?|ftps?|sftp|ldaps?|wss?|tcp|udp)://[^\s<>\"'`{}|\\^\x00-\x1f]{1,4000}", re.IGNORECASE)
REGISTRY = re.compile(
    r"\b(?:HKLM|HKCU|HKCR|HKU|HKCC|HKEY_[A-Z_]{5,20})(?:\\[^\\\r\n\"'<>|:;,*?]{1,64}(?=\\)){0,20}\\[^\\\s\"'<>|:;,*?]{1,128}"
)
HEADER = re.compile(r"^[ \t]{0,8}(Subject|User-Agent)[ \t]{0,4}:[ \t]{0,8}(\S[^\r\n]{0,1000})", re.IGNORECASE | re.MULTILINE)
BROWSER = re.compile(r"\bMozilla/\d\.\d \([^()\r\n]{1,300}\)[^\"'\r\n<>|;]{0,300}")
WORD = re.compile(r"[^\s<>\"'`|,;()\[\]{}\x00-\x1f\u201c\u201d\u2018\u2019\u00ab\u00bb]{3,4096}")
EDGES = ".:!?*_-=/\\#~&+\u2026\u2022"
HEX = re.compile(r"[0-9A-Fa-f]+")
MAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,10})")
AS_NUMBER = re.compile(r"ASN?(\d{1,10})")
CVE = re.compile(r"CVE-\d{4}-\d{4,7}", re.IGNORECASE)
PORT = re.compile(r":\d{1,5}")


@dataclass(frozen=True, slots=True)
class Found:
    """A value with its type, and where in the refanged text it stands first."""

    data_type: str
    data: str
    position: int
    tags: tuple[str, ...] = ()


def parse(text: str) -> list[Found]:
    """All distinct observables of a text, in their order."""
    text = refanged(text)
    found: dict[tuple[str, str], Found] = {}
    for one in sorted(_all(text), key=lambda f: f.position):
        if len(one.data) <= MAX_VALUE:
            found.setdefault((one.data_type, one.data.lower() if one.data_type in FOLDED else one.data), one)
    return list(found.values())


def typed(value: str) -> Found:
    """A single value with the type it seems to have; `other` where it fits none."""
    value = value.strip()
    plain = refanged(value)
    for one in _all(plain):
        if one.data == plain or one.data.lower() == plain.lower():
            return one
    head, dot, ending = plain.rpartition(".")
    if head and dot and ending.lower() in FILE_ENDINGS:
        return Found("filename", plain, 0)
    return Found("other", value, 0)


def _all(text: str) -> Iterator[Found]:
    taken: list[tuple[int, int]] = []
    for one, end in _spans(text):
        taken.append((one.position, end))
        yield one
    rest = _without(text, taken)
    for word in WORD.finditer(rest):
        yield from _word(word.group(), word.start())


def _spans(text: str) -> Iterator[tuple[Found, int]]:
    """What may hold characters that end a word."""
    if "://" in text:
        for match in URL.finditer(text):
            url = _url(match.group())
            if url:
                yield Found("url", url, match.start()), match.start() + len(url)
    if "HK" in text:
        for match in REGISTRY.finditer(text):
            key = match.group().rstrip(".)")
            yield Found("registry", key, match.start()), match.end()
    for match in HEADER.finditer(text):
        kind = "mail-subject" if match[1].lower() == "subject" else "user-agent"
        yield Found(kind, match[2].rstrip(), match.start(2)), match.end()
    if "Mozilla/" in text:
        for match in BROWSER.finditer(text):
            yield Found("user-agent", match.group().strip(), match.start()), match.end()


def _without(text: str, taken: list[tuple[int, int]]) -> str:
    """The text with spaces where something was found already; positions stay."""
    parts: list[str] = []
    position = 0
    for start, end in sorted(taken):
        if end > position:
            parts.append(text[position : max(start, position)])
            parts.append(" " * (end - max(start, position)))
            position = end
    parts.append(text[position:])
    return "".join(parts)


def _url(raw: str) -> str | None:
    """A URL without the punctuation of the sentence it stands in; None where no host is left."""
    url = raw.rstrip(".,;:!?*'\u2026")
    for opening, closing in ("()", "[]"):
        while url.endswith(closing) and url.count(closing) > url.count(opening):
            url = url[:-1].rstrip(".,;:!?*'")
    return url if len(url.partition("://")[2].strip("/.")) >= 3 else None


def _word(raw: str, start: int) -> Iterator[Found]:
    word = raw.strip(EDGES)
    start += len(raw) - len(raw.lstrip(EDGES))
    if len(word) < 3:
        return
    if "=" in word:  # dst=192.0.2.1
        head, _, word = word.rpartition("=")
        start += len(head) + 1
    found = _classified(word)
    if found is None and ":" in word:  # ip:192.0.2.1, evil.example:8080
        for part in word.split(":", 4)[:4]:
            if (named := _classified(part)) is not None and named[0] != "other":
                found = named
                break
    if found is not None:
        kind, data, *tags = found
        yield Found(kind, data, start, tuple(tags))


def _classified(word: str) -> tuple[str, ...] | None:
    """Type, value and tags of a word, or None for prose."""
    if len(word) in HASH_LENGTHS and HEX.fullmatch(word):
        return "hash", word
    if "@" in word:
        mail = MAIL.fullmatch(word)
        return ("mail", word) if mail and data_type_of(mail[1]) else None
    if word.startswith("AS") and (number := AS_NUMBER.fullmatch(word)):
        return ("autonomous-system", word) if int(number[1]) < 1 << 32 else None
    if word[:4].upper() == "CVE-" and CVE.fullmatch(word):
        return "other", word.upper(), "cve"
    if ":" in word and (address := _address(word)):
        return "ip", address
    return _dotted(word) if "." in word else None


def _dotted(word: str) -> tuple[str, ...] | None:
    head, slash, path = word.partition("/")
    host = PORT.sub("", head) if ":" in head else head
    if host.replace(".", "").isdigit():
        if slash and path.isdigit() and _address(host):
            return "other", word, "network"
        address = _address(host)
        if address is None or not slash or not path:
            return ("ip", address) if address else None
        return "url", word
    ending = word.rpartition(".")[2].lower()
    if ending in FILE_ENDINGS and not slash:
        return "filename", word
    kind = data_type_of(host)
    if kind is None:
        return None
    return ("url", word) if path else (kind, host.rstrip("."))


def _address(word: str) -> str | None:
    """An IP address as it is written; nothing for the unspecified one."""
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return None
    return None if address.is_unspecified else word
