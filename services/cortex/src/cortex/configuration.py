"""What a worker is told in `input.json` under `config`, from its flavor and its own configuration."""

from __future__ import annotations

from typing import Any


def merged(flavor: dict[str, Any], worker: dict[str, Any]) -> dict[str, Any]:
    """The flavor's fixed values under the worker's configuration, deeply; the worker wins, but never with a null.

    A worker enabled over REST stores a null for everything unset. Taken literally it would switch off the flavor's own
    `check_tlp: true`, as it does in other engines (contracts/cortex.md §4.1).
    """
    result = dict(flavor)
    for key, value in worker.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        elif value is not None or key not in result:
            result[key] = value
    return result


def effective(flavor: dict[str, Any], worker: dict[str, Any]) -> dict[str, Any]:
    """`merged`, with the proxies where cortexutils looks for them and extraction switched explicitly.

    cortexutils extracts artifacts unless told not to, and takes a null for "not told" (contracts/cortex.md §4.7).
    """
    config = merged(flavor, worker)
    config["auto_extract_artifacts"] = config.get("auto_extract_artifacts") is True
    proxies = {name: config.get(f"proxy_{name}") for name in ("http", "https")}
    config["proxy"] = {name: url for name, url in proxies.items() if isinstance(url, str)}
    return config
