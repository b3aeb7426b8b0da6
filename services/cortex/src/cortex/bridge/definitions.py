"""The modules a misp-modules server lists, as definitions of analyzers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cortex.bridge.types import data_types_of
from cortex.definitions.flavor import USABLE_NAME, Flavor, FlavorError
from cortex.secrets import Scrubber

PREFIX = "MISPModule_"
LICENSE = "AGPL-3.0"
HOME = "https://github.com/MISP/misp-modules"
# Modules ask services elsewhere: what may not leave the house is not sent, unless a worker's configuration says otherwise.
CONFIG = {"check_tlp": True, "max_tlp": 2, "check_pap": True, "max_pap": 2}


def list_url(server: str) -> str:
    return f"{server.rstrip('/')}/modules"


def flavors_of(content: bytes, url: str) -> Iterator[Flavor]:
    """One per expansion module; import, export and action modules are none: they do not answer questions (misp.md §6.3).

    Raises FlavorError where the answer is no list of modules.
    """
    try:
        modules = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FlavorError(f"answers with no JSON: {error}") from None
    if not isinstance(modules, list):
        raise FlavorError("answers with no list of modules")
    for module in modules:
        if isinstance(module, dict) and module.get("type") == "expansion" and isinstance(module.get("name"), str):
            yield _flavor(Scrubber({}).value(module), url)


def _flavor(module: dict[str, Any], url: str) -> Flavor:
    meta = module["meta"] if isinstance(module.get("meta"), dict) else {}
    attributes = module["mispattributes"] if isinstance(module.get("mispattributes"), dict) else {}
    inputs = _texts(attributes.get("input"))
    config = _texts(meta.get("config"))
    name, version = f"{PREFIX}{module['name']}", str(meta.get("version") or "0")
    usable = USABLE_NAME.fullmatch(name) and USABLE_NAME.fullmatch(version)
    problem = None if inputs else "the module does not say which types it takes"
    return Flavor(
        kind="analyzer",
        name=name,
        version=version,
        source=url,
        description=str(meta.get("description") or f"The expansion module {module['name']} of misp-modules"),
        author=", ".join(_texts(meta.get("author"))) or "MISP",
        url=HOME,
        license=LICENSE,
        data_types=data_types_of(inputs),
        config=CONFIG,
        items=[_item(item) for item in config],
        misp_module={
            "name": module["name"],
            "version": version,
            "inputs": inputs,
            "standard": attributes.get("format") == "misp_standard",
            "config": config,
        },
        problem=problem if usable else "its name or version has blanks or slashes in it",
    )


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def _item(name: str) -> dict[str, Any]:
    """Not required: the module itself says what it misses."""
    return {"name": name, "description": f"{name} of the module", "type": "string", "multi": False, "required": False}
