"""Checking a worker's configuration against its items: contracts/cortex.md §2.4, §5.4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cortex.definitions.models import Definition
from cortex.markings import PAP_WORDS, TLP_WORDS
from cortex.secrets import masked
from waggle.contracts.vocabulary import Pap, Tlp
from waggle.errors import InvalidFields

Item = dict[str, Any]
MASK = "********"
"""Shown in place of a secret; given back, it means: as it was."""


def _item(name: str, type_: str, description: str) -> Item:
    return {"name": name, "description": description, "type": type_, "multi": False, "required": False}


LIMITS = [
    _item("check_tlp", "boolean", "Whether the worker refuses data over max_tlp"),
    _item("max_tlp", "number", "Highest TLP the worker takes, 0 to 3"),
    _item("check_pap", "boolean", "Whether the worker refuses data over max_pap"),
    _item("max_pap", "number", "Highest PAP the worker takes, 0 to 3"),
]


def global_items(kind: str, *, cache_minutes: int, timeout_minutes: int) -> list[Item]:
    """The items every worker of a kind has."""
    items = [
        _item("proxy_http", "string", "URL of the proxy for http"),
        _item("proxy_https", "string", "URL of the proxy for https"),
        _item("cacerts", "text", "Certificate authorities to trust, PEM"),
        {**_item("jobTimeout", "number", "Minutes a job may take"), "defaultValue": timeout_minutes},
    ]
    if kind == "analyzer":
        items += [
            {
                **_item("auto_extract_artifacts", "boolean", "Whether observables are extracted from reports"),
                "defaultValue": False,
            },
            {**_item("jobCache", "number", "Minutes a report answers equal requests"), "defaultValue": cache_minutes},
        ]
    return items


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a worker gets that does not say. Minutes."""

    cache_minutes: int
    timeout_minutes: int

    def global_items(self, kind: str) -> list[Item]:
        return global_items(kind, cache_minutes=self.cache_minutes, timeout_minutes=self.timeout_minutes)


def _fits(value: Any, type_: str) -> bool:
    if type_ == "boolean":
        return isinstance(value, bool)
    if type_ == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    return isinstance(value, str)


def coerced(value: Any, item: Item) -> Any:
    """A default as its item's type: published flavors declare numbers and booleans with text defaults."""
    if item["multi"] and isinstance(value, list):
        return [coerced(part, {**item, "multi": False}) for part in value]
    if item["type"] == "number" and isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    if item["type"] == "boolean" and isinstance(value, str):
        return value.lower() in ("true", "1")
    return value


def _problem(item: Item, value: Any) -> str | None:
    """What is wrong with a given value."""
    values = value if item["multi"] else [value]
    if not isinstance(values, list):
        return f"{item['name']} takes a list"
    if any(not _fits(part, item["type"]) for part in values):
        return f"{item['name']} takes {'a list of' if item['multi'] else 'a'} {item['type']}"
    if item["name"] in ("max_tlp", "max_pap") and value not in range(4):
        return f"{item['name']} is a number from 0 to 3"
    return None


def checked(items: Sequence[Item], given: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The configuration with every item's value: the given one, else its default, else `[]` or null.

    Raises InvalidFields naming every item that is unknown, missing or of a wrong type. `partial`: nothing is required and
    only what was given comes back.
    """
    known = {item["name"]: item for item in [*items, *LIMITS]}
    errors = [
        {"type": "UnknownAttributeError", "name": name, "message": f"Unknown attribute {name}"}
        for name in given
        if name not in known
    ]
    config: dict[str, Any] = {}
    for name, item in known.items():
        value = given.get(name)
        if value is None:
            if partial:
                continue
            value = coerced(item.get("defaultValue"), item)
            if value is None and item["multi"]:
                value = []
            if item["required"] and value in (None, []):
                errors.append({"type": "MissingAttributeError", "name": name, "message": f"Attribute {name} is missing"})
                continue
        if value is not None and (problem := _problem(item, value)):
            message = f"Invalid format for {name}: {problem}"
            errors.append({"type": "InvalidFormatAttributeError", "name": name, "message": message})
        config[name] = value
    if errors:
        raise InvalidFields(errors, tableName="worker")
    return config


def public(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it may be shown: secrets masked."""
    shown = masked(config, MASK)
    assert isinstance(shown, dict)
    return shown


def unmasked(given: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """What a form sends back, with the secrets it could not see as they were."""
    return {name: stored[name] if name in stored and public(stored)[name] == value else value for name, value in given.items()}


def shared_items(definitions: Sequence[Definition]) -> dict[str, list[Item]]:
    """The items of the definitions by base configuration; of several items of one name the first is taken."""
    merged: dict[str, dict[str, Item]] = {}
    for definition in definitions:
        for item in definition.items:
            merged.setdefault(definition.base_config or definition.name, {}).setdefault(item["name"], item)
    return {name: list(items.values()) for name, items in merged.items()}


def limits(config: dict[str, Any]) -> tuple[Tlp | None, Pap | None]:
    """The highest TLP and PAP a worker takes, None where it takes all. `config` is the merged one: flavor and worker."""
    tlp, pap = config.get("max_tlp"), config.get("max_pap")
    return (
        _level(TLP_WORDS, tlp) if config.get("check_tlp") is True else None,
        _level(PAP_WORDS, pap) if config.get("check_pap") is True else None,
    )


def _level(levels: Any, number: Any) -> Any:
    """cortexutils' default is 2; what is out of range allows the least it can mean."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        return levels[2]
    return levels[max(0, min(int(number), len(levels) - 1))]
