"""What the launcher reads from its environment, for `waggle --help` and docs/settings.md.

A test compares it with what the launcher's code reads.
"""

from __future__ import annotations

from typing import NamedTuple


class Variable(NamedTuple):
    name: str
    default: str
    meaning: str


ENVIRONMENT = (
    Variable("WAGGLE_HOME", ".waggle", "folder of all state; `make demo` makes a throw-away one"),
    Variable("WAGGLE_HOST", "127.0.0.1", "address the services listen on"),
    Variable("HIVE_PORT", "9000", "0: any free port; a busy default moves to the next free one, a busy given port is an error"),
    Variable("CORTEX_PORT", "9001", "as above"),
    Variable("MISP_CONNECTOR_PORT", "9002", "as above"),
    Variable("HIVE_DATABASE_URL", "embedded", "hive's PostgreSQL, as the owner of its database"),
    Variable("CORTEX_DATABASE_URL", "embedded", "cortex' PostgreSQL, likewise"),
    Variable("MISP_CONNECTOR_DATABASE_URL", "embedded", "the connector's PostgreSQL, likewise"),
    Variable("WAGGLE_AMQP_URL", "", "RabbitMQ for all services; without it the bus is in the embedded PostgreSQL"),
    Variable("BUS", "", "`rabbitmq`: start a private RabbitMQ node, where WAGGLE_AMQP_URL names none"),
    Variable("WAGGLE_PUBLIC_URL", "", "where people reach the services; https makes cookies secure"),
    Variable("WAGGLE_OUTBOUND_ALLOW", "", "hosts and CIDRs inside your network that targets set over REST may lie in"),
    Variable("HIVE_ADMIN_LOGIN", "admin@thehive.local", "hive's first administrator"),
    Variable("HIVE_ADMIN_PASSWORD", "random", "his password; a well-known one is refused unless bound to loopback"),
    Variable("HIVE_ORGANISATION", "main-org", "the first organisation, of hive and of cortex"),
    Variable("CORTEX_ADMIN_LOGIN", "admin", "cortex' first administrator"),
    Variable("CORTEX_ADMIN_PASSWORD", "random", "his password, likewise"),
    Variable("DEMO_EXIT", "", "`1`: `make demo` stops after the story, with status 0 or 1"),
    Variable("WAGGLE_POSTGRES_BIN", "", "folder with `initdb` and `postgres`, in place of the packaged ones"),
    Variable("RABBITMQ_SERVER", "", "path of `rabbitmq-server`, in place of one found or unpacked"),
    Variable("CHROMIUM", "", "path of Chromium for the tests of the pages"),
    Variable("CI", "", "set: what cannot be had for a test fails the tests, instead of skipping them"),
)


def listing() -> str:
    """For `--help`: a line each."""
    width = max(len(variable.name) for variable in ENVIRONMENT)
    return "environment:\n" + "\n".join(f"  {v.name:<{width}}  {v.meaning}" for v in ENVIRONMENT)
