"""Which service may do what on the broker. Both buses are set up from this: RabbitMQ users and PostgresBus' functions.

A service owns the queues whose name begins with its word, with their retry queues, dead letters and the exchange that brings
retries back. It publishes only the types it is the sender of, to the one exchange all share.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from waggle.contracts.messages import MESSAGES
from waggle.contracts.messages.base import Service
from waggle.messaging.bus import Queue

EXCHANGE: Final = "waggle.events"

PREFIXES: Final[dict[Service, str]] = {"hive": "hive", "cortex": "cortex", "misp-connector": "misp"}
"""First word of the names of a service's queues."""

HIVE_ALERTS: Final = Queue("hive.alerts", ("alert.raised.v1", "alert.source_gone.v1"))
HIVE_ANALYSIS: Final = Queue("hive.analysis", ("analysis.started.v1", "analysis.completed.v1", "worker.catalog_changed.v1"))
HIVE_MISP: Final = Queue("hive.misp", ("case.exported.v1", "case.export.failed.v1", "misp.instance_changed.v1"))
MISP_COMMANDS: Final = Queue(
    "misp.commands",
    (
        "case.export.requested.v1",
        "case.iocs_changed.v1",
        "sighting.reported.v1",
        "misp.poll_requested.v1",
        "misp.receiver_unknown.v1",
    ),
)


def cortex_analysis(instance: str) -> Queue:
    """The queue of one cortex instance: requests name the instance they are for."""
    patterns = tuple(f"{kind}.{instance}" for kind, message in MESSAGES.items() if message.addressed)
    return Queue(f"cortex.{instance}.analysis", patterns)


@dataclass(frozen=True, slots=True)
class Rights:
    """One service's rights. Queue names are given by their prefix; types as AMQP topic patterns."""

    service: Service
    queue_prefix: str
    publishes: tuple[str, ...]
    receives: tuple[str, ...]

    @property
    def returns_exchange(self) -> str:
        """The exchange that only this service may use: retries come back and dead letters leave through it."""
        return returns_exchange(self.queue_prefix)


def returns_exchange(owner: str) -> str:
    return f"{owner}.returns"


def rights_of(service: Service) -> Rights:
    publishes, receives = [], []
    for kind, message in MESSAGES.items():
        pattern = f"{kind}.*" if message.addressed else kind
        if message.sender == service:
            publishes.append(pattern)
        if message.audience in (service, "any"):
            receives.append(pattern)
    return Rights(service, PREFIXES[service], tuple(publishes), tuple(receives))


def topic_regex(patterns: tuple[str, ...]) -> str:
    """One regular expression, understood by Erlang and PostgreSQL, for topic patterns whose only wildcard is `*`."""
    return "^(" + "|".join(pattern.replace(".", r"\.").replace("*", "[^.]+") for pattern in patterns) + ")$"


def rabbit_definitions(passwords: Mapping[str, tuple[Service, str]], vhost: str = "/") -> dict[str, Any]:
    """RabbitMQ's definitions file for users of these names, each the login of a service, with their passwords.

    Reading a topic is checked when a queue is bound, writing when a message is published.
    """
    users, permissions, topics = [], [], []
    for name, (service, password) in sorted(passwords.items()):
        rights = rights_of(service)
        own = rf"^{re.escape(rights.queue_prefix)}\..*$"
        users.append(
            {
                "name": name,
                "password_hash": _password_hash(password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
            }
        )
        shared = rf"^({re.escape(EXCHANGE)}|{re.escape(rights.queue_prefix)}\..*)$"
        permissions.append({"user": name, "vhost": vhost, "configure": own, "write": shared, "read": shared})
        topics.append(
            {
                "user": name,
                "vhost": vhost,
                "exchange": EXCHANGE,
                "write": topic_regex(rights.publishes),
                "read": topic_regex(rights.receives),
            }
        )
    return {
        "vhosts": [{"name": vhost}],
        "users": users,
        "permissions": permissions,
        "topic_permissions": topics,
        "exchanges": [
            {
                "name": EXCHANGE,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
    }


def _password_hash(password: str) -> str:
    """RabbitMQ's salted SHA-256: four bytes of salt, then the digest of salt and password."""
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
