"""Writes docs/openapi/<service>.json from the services' own applications: `make openapi`. No database is needed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/none"
SOME_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def hive() -> Any:
    from hive.app import make_app
    from hive.settings import Settings

    return make_app(Settings(), None)


def cortex() -> Any:
    from cortex.app import build
    from cortex.settings import Settings

    return build(Settings(), bus=None)


def misp_connector() -> Any:
    from misp_connector.app import make_app
    from misp_connector.settings import Settings

    return make_app(Settings(), bus=None)


APPLICATIONS: dict[str, Callable[[], Any]] = {"hive": hive, "cortex": cortex, "misp-connector": misp_connector}


def document(service: str) -> str:
    """The OpenAPI document of a service as it is kept in the repository."""
    with tempfile.TemporaryDirectory() as blobs:
        prefix = service.replace("-", "_").upper()
        given = {"DATABASE_APP_URL": NOWHERE, "DATABASE_SYSTEM_URL": NOWHERE, "BLOBS": blobs, "SECRET_KEY": SOME_KEY}
        os.environ.update({f"{prefix}_{name}": value for name, value in given.items()})
        return json.dumps(APPLICATIONS[service]().openapi(), indent=1, sort_keys=True) + "\n"


def main() -> None:
    target = ROOT / "docs" / "openapi"
    target.mkdir(parents=True, exist_ok=True)
    for service in APPLICATIONS:
        (target / f"{service}.json").write_text(document(service))
        print(f"docs/openapi/{service}.json")


if __name__ == "__main__":
    main()
