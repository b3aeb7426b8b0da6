"""Reading observables from what others exported, or from text that somebody pasted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import orjson

from hive.catalogue import Catalogue
from hive.freetext import parse, refanged, typed
from hive.freetext.defang import DEFANGED_TYPES
from hive.markings import unique
from hive.observables import stix
from hive.observables.drafts import MAX_DATA, ObservableDraft, checked
from waggle.contracts.vocabulary import DEFAULT_TLP
from waggle.errors import BadRequest, InvalidFields
from waggle.ids import now_ms

Source = Literal["txt", "csv", "misp", "stix", "freetext"]
MAX_TEXT = 4 << 20
MAX_VALUES = 10_000
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Read:
    """A value as it was read, with what was said about it."""

    data_type: str
    data: str
    tlp: str | None = None
    ioc: bool = False
    tags: tuple[str, ...] = ()
    message: str | None = None


def read(text: str, source: Source) -> list[Read]:
    """The values of a text. Raises BadRequest for what is not of the form, or is too much."""
    if len(text) > MAX_TEXT:
        raise BadRequest(f"a text may have {MAX_TEXT >> 20} MiB")
    found = list(READERS[source](text.removeprefix("\ufeff")))
    if len(found) > MAX_VALUES:
        raise BadRequest(f"a text may hold {MAX_VALUES} observables; this one holds {len(found)}")
    return found


def _freetext(text: str) -> Iterator[Read]:
    for one in parse(text):
        yield Read(one.data_type, one.data, tags=one.tags)


def _lines(text: str) -> Iterator[Read]:
    """One value per line, of the type it seems to have; a file of an export counts by its hash."""
    for raw in text.splitlines():
        if raw.strip():
            value = _without_name(raw.strip())
            one = typed(value)
            yield Read(one.data_type, one.data, tags=one.tags)


def _csv(text: str) -> Iterator[Read]:
    delimiter = ";" if ";" in text.split("\n", 1)[0] else ","
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        cells = [cell.strip() for cell in row]
        if len(cells) >= 2 and cells[0] and cells[1] and (cells[0], cells[1]) != ("dataType", "data"):
            yield _of_type(cells[0], cells[1].removeprefix("'") if cells[1].startswith("'") else cells[1])


def _misp(text: str) -> Iterator[Read]:
    """Lines `*type<TAB>:value`."""
    for line in text.splitlines():
        head, tab, value = line.partition("\t:")
        if tab and head.startswith("*") and value.strip():
            yield _of_type(head[1:].strip(), value.strip())


def _stix(text: str) -> Iterator[Read]:
    """A value that stands in an indicator, too, is that indicator's."""
    try:
        listed = list(stix.read(orjson.loads(text)))
    except ValueError as error:
        raise BadRequest(f"the text cannot be read as STIX 2.1: {error}") from None
    said = {(data_type, data) for data_type, data, _, ioc, _ in listed if ioc}
    for data_type, data, tlp, ioc, message in listed:
        if ioc or (data_type, data) not in said:
            yield Read(data_type, data, tlp=tlp, ioc=ioc, message=message)


READERS = {"freetext": _freetext, "txt": _lines, "csv": _csv, "misp": _misp, "stix": _stix}


def _of_type(data_type: str, value: str) -> Read:
    if data_type in ("file", "filename|sha256"):
        return Read("hash", _without_name(value))
    return Read(data_type, refanged(value) if data_type in DEFANGED_TYPES else value)


def _without_name(value: str) -> str:
    """The hash of `name|sha256`; anything else as it is."""
    head, bar, tail = value.rpartition("|")
    return tail if bar and head and len(tail) == 64 else value


def drafts_of(
    found: list[Read], catalogue: Catalogue, *, tlp: str | None, pap: str, ioc: bool, tags: list[str]
) -> tuple[list[ObservableDraft], list[Read]]:
    """What can be stored, and what cannot (too long). A type we do not know is kept as `other` with its name in a tag.

    `tlp` holds for values that come without one.
    """
    drafts, refused = [], []
    for one in found:
        kind = catalogue.types.get(one.data_type)
        known = kind is not None and not kind.is_attachment
        extra = [*one.tags, *(() if known else (f"type:{one.data_type}"[:128],))]
        draft = ObservableDraft(
            data_type=one.data_type if known else OTHER, data=one.data, tlp=one.tlp or tlp or DEFAULT_TLP, pap=pap,
            ioc=ioc or one.ioc, tags=unique([*tags, *extra]), message=one.message,
        )  # fmt: skip
        try:
            drafts.append(checked(draft, catalogue, now=now_ms()))
        except InvalidFields:
            refused.append(Read(one.data_type, one.data[:MAX_DATA], one.tlp, one.ioc, one.tags, one.message))
    return drafts, refused
