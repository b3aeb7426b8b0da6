"""Small events of our own, as MISP writes them."""

from __future__ import annotations

from typing import Any

from misp_connector.mapping.model import MappingOptions

EVENT_UUID = "6f1d3c1e-0b5a-4f0e-9a53-2d7c1f0e0001"


def uuid_of(number: int) -> str:
    return f"6f1d3c1e-0b5a-4f0e-9a53-{number:012d}"


def attribute(number: int, kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid_of(number),
        "type": kind,
        "category": "Network activity",
        "value": value,
        "to_ids": True,
        "comment": "",
        "timestamp": "1700000000",
        "deleted": False,
        **more,
    }


def event(*attributes: dict[str, Any], tags: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "uuid": EVENT_UUID,
        "id": "12",
        "info": "Phishing against suppliers",
        "date": "2026-03-05",
        "threat_level_id": "1",
        "analysis": "1",
        "distribution": "3",
        "published": True,
        "timestamp": "1700000500",
        "publish_timestamp": "1700000600",
        "Orgc": {"name": "Example CERT", "uuid": uuid_of(900)},
        "Tag": [{"name": name} for name in tags],
        "Attribute": list(attributes),
        "Object": [],
        **more,
    }


def options(**more: Any) -> MappingOptions:
    return MappingOptions(**{"instance": "partner", "base_url": "https://misp.example/", **more})
