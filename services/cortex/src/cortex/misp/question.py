"""Reading MISP's `/query`: contracts/cortex.md §7.2, misp.md §7.5. The simple form, and an attribute as a whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cortex.misp.types import FILE_TYPES, data_type_of, halves_of, is_misp_type
from waggle.contracts.vocabulary import DEFAULT_PAP, DEFAULT_TLP, PAP_LEVELS, TLP_LEVELS, Pap, Tlp, pap_word, tlp_word
from waggle.errors import BadRequest

NOT_THE_VALUE = frozenset(
    {"module", "event_id", "attribute_uuid", "data", "config", "persistent", "timeout", "tlp", "Tag", "tags", "Event"}
)


class UnreadableFile(BadRequest):
    """The file that came along is not what it is said to be. MISP's user is to read why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What MISP wants to know of one attribute. `content` and `file_name` for files, else `candidates`.

    `packed`: the content is MISP's archive of a malware sample. A composite value has several candidates (data type, value):
    the first that the worker takes is asked for.
    """

    module: str
    candidates: tuple[tuple[str, str], ...]
    content: bytes | None
    file_name: str
    packed: bool
    tlp: Tlp
    pap: Pap

    def for_worker(self, data_types: list[str]) -> tuple[str, str]:
        """The data type and value that a worker of these types is asked about."""
        return next((c for c in self.candidates if c[0] in data_types), self.candidates[-1])


def read(body: dict[str, Any]) -> Question:
    """Raises BadRequest with the texts of the contract, and UnreadableFile."""
    module = body.get("module")
    if not isinstance(module, str):
        raise BadRequest("Module parameter is not present in request")
    attribute = body.get("attribute")
    whole = attribute if isinstance(attribute, dict) else {}
    misp_type, value = (whole.get("type"), whole.get("value")) if whole else _pair(body)
    if not isinstance(misp_type, str) or not isinstance(value, str):
        raise BadRequest("Data has invalid type (expected string)")
    tags = list(_tags(body, whole))
    tlp, pap = _tlp(tags, body.get("tlp")), _pap(tags)
    if misp_type in FILE_TYPES:
        content, packed = _content(whole.get("data", body.get("data"))), misp_type == "malware-sample"
        return Question(module, (("file", value),), content, value.partition("|")[0], packed, tlp, pap)
    candidates = (*halves_of(misp_type, value), (data_type_of(misp_type), value))
    return Question(module, candidates, None, "", False, tlp, pap)


def _pair(body: dict[str, Any]) -> tuple[Any, Any]:
    """The type and the value, wherever they stand: the one name that is a type of MISP's, else the first that may be one."""
    pairs = [(name, value) for name, value in body.items() if name not in NOT_THE_VALUE]
    if not pairs:
        raise BadRequest("Request doesn't contain data to analyze")
    return next(((name, value) for name, value in pairs if is_misp_type(name)), pairs[0])


def _content(data: Any) -> bytes:
    if not isinstance(data, str):
        raise BadRequest("Request doesn't contain data to analyze")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableFile("data is not base64") from None


# Markings ---------------------------------------------------------------------------------------------------------------


def _tags(body: dict[str, Any], attribute: dict[str, Any]) -> Iterator[str]:
    """The names of the tags of attribute and event, wherever a caller puts them; MISP itself sends none (misp.md §7.5)."""
    event = body.get("Event") if isinstance(body.get("Event"), dict) else attribute.get("Event")
    for holder in (body, attribute, event if isinstance(event, dict) else {}):
        for name in ("Tag", "tags"):
            found = holder.get(name)
            for tag in found if isinstance(found, list) else []:
                text = tag.get("name") if isinstance(tag, dict) else tag
                if isinstance(text, str):
                    yield text


def _tlp(tags: list[str], own: Any) -> Tlp:
    """The strictest TLP; a request without one gets the default and not the least (threats S18), an unknown one RED (S15)."""
    named = [_tlp_of(tag) for tag in tags if tag.lower().startswith("tlp:")]
    if isinstance(own, str):
        named.append(_tlp_of(own))
    return max(named, key=TLP_LEVELS.index, default=DEFAULT_TLP)


def _tlp_of(tag: str) -> Tlp:
    word = tag.lower().removeprefix("tlp:")
    return "AMBER" if word == "unclear" or word.startswith("ex:") else tlp_word(word)


def _pap(tags: list[str]) -> Pap:
    named = [pap_word(tag) for tag in tags if tag.lower().startswith("pap:")]
    return max(named, key=PAP_LEVELS.index, default=DEFAULT_PAP)
