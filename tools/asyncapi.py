"""Writes docs/asyncapi.json from the contracts; with `--check`, says whether it is up to date instead.

python tools/asyncapi.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from waggle.contracts.envelope import MESSAGE_LIMIT, Envelope
from waggle.contracts.messages import MESSAGES, Message
from waggle.messaging.rights import EXCHANGE, HIVE_ALERTS, HIVE_ANALYSIS, HIVE_MISP, MISP_COMMANDS, cortex_analysis

TARGET = Path(__file__).resolve().parents[1] / "docs" / "asyncapi.json"
REFERENCE = "#/components/schemas/{model}"
SERVICES = ("hive", "cortex", "misp-connector")


def build() -> dict[str, Any]:
    models = [Envelope, *MESSAGES.values()]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waggle events",
            "version": "1",
            "description": f"Messages between hive, cortex and misp-connector, of at most {MESSAGE_LIMIT} bytes. On RabbitMQ"
            f" a channel's address is the routing key at the exchange `{EXCHANGE}`; PostgreSQL's bus has the same addresses.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, message) for name, message in MESSAGES.items()},
        "operations": _operations(),
        "components": {
            "messages": {name: _message(name, message) for name, message in MESSAGES.items()},
            "schemas": schemas["$defs"],
        },
    }


def _channel(name: str, message: type[Message]) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": f"{name}.{{instance}}" if message.addressed else name,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": EXCHANGE, "type": "topic", "durable": True}}},
    }
    if message.addressed:
        channel["parameters"] = {"instance": {"description": "Name of the cortex instance"}}
    return channel


def _message(name: str, message: type[Message]) -> dict[str, Any]:
    data = {"type": "object", "properties": {"type": {"const": name}, "data": {"$ref": REFERENCE.format(model=message.__name__)}}}
    return {
        "name": name,
        "title": message.__name__,
        "summary": " ".join((message.__doc__ or "").split()),
        "contentType": "application/json",
        "payload": {"allOf": [{"$ref": REFERENCE.format(model="Envelope")}, data]},
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    queues = [HIVE_ALERTS, HIVE_ANALYSIS, HIVE_MISP, MISP_COMMANDS, cortex_analysis("{instance}")]
    for name, message in MESSAGES.items():
        channel = {"$ref": f"#/channels/{name}"}
        operations[f"{message.sender}.sends.{name}"] = {
            "action": "send",
            "channel": channel,
            "summary": f"{message.sender} sends it",
        }
        for service in SERVICES:
            if message.audience != service:
                continue
            address = f"{name}.{{instance}}" if message.addressed else name
            queue = next(queue.name for queue in queues if address in queue.patterns)
            summary = f"{service} receives it from the queue {queue}"
            operations[f"{service}.receives.{name}"] = {"action": "receive", "channel": channel, "summary": summary}
    return operations


def main() -> int:
    fresh = json.dumps(build(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != fresh:
            print("docs/asyncapi.json is out of date: run `python tools/asyncapi.py`")
            return 1
        return 0
    TARGET.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
