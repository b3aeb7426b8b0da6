"""Set-up of the bus for launchers and operators: signing keys, and the schema of the embedded bus.

    python -m waggle.messaging.setup keys < {"hive": "<private key, or empty for a new one>", …}
    python -m waggle.messaging.setup schema < {"owner_url": "postgresql://…", "logins": {"bus_hive": "hive", …}}

`keys` prints `{service: {"private", "public"}}`; `schema` makes or renews the database `bus`.
"""

from __future__ import annotations

import asyncio
import json
import sys

from waggle.messaging.signing import Signer


def key_pairs(private_keys: dict[str, str]) -> dict[str, dict[str, str]]:
    """Each service's key pair; an empty private key gets a new one."""
    made = {service: key or Signer.new_key() for service, key in private_keys.items()}
    return {service: {"private": key, "public": Signer(key).public_key} for service, key in made.items()}


def main() -> None:
    request = json.load(sys.stdin)
    if sys.argv[1:] == ["keys"]:
        print(json.dumps(key_pairs(request)))
    elif sys.argv[1:] == ["schema"]:
        from waggle.messaging.postgres_schema import install

        asyncio.run(install(request["owner_url"], request["logins"]))
    else:
        sys.exit("usage: python -m waggle.messaging.setup keys|schema")


if __name__ == "__main__":
    main()
