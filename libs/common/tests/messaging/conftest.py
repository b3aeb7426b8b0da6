from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from launcher import postgres, rabbitmq

from . import support

VERSION = """
from alembic import op
from waggle.db.migrate import run_sql
from waggle.messaging.inbox import INBOX_SQL
from waggle.messaging.outbox import OUTBOX_SQL
revision, down_revision = "0001", None

def upgrade() -> None:
    roles = {"app": "postal_app", "system": "postal_system"}
    run_sql(op, OUTBOX_SQL.format(**roles) + INBOX_SQL.format(**roles))
    run_sql(op, "CREATE TABLE effects (message_id uuid); GRANT SELECT, INSERT ON effects TO postal_app, postal_system")
"""


@pytest.fixture(scope="session")
def bus_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Cluster]:
    """A PostgreSQL for the bus alone: some tests stop it."""
    cluster = postgres.start(tmp_path_factory.mktemp("bus-postgres"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def rabbit_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq.Node]:
    try:
        node = support.start_rabbitmq(tmp_path_factory.mktemp("rabbitmq"))
    except rabbitmq.RabbitError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO RABBITMQ, ITS TESTS DO NOT RUN: {error}")
    yield node
    node.stop()


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.xdist_group("bus-postgres")),
        pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.xdist_group("bus-rabbitmq")]),
    ]
)
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[support.Carrier]:
    """One of the two brokers, empty, with the rights the services have in production."""
    made: support.PostgresCarrier | support.RabbitCarrier
    if request.param == "postgres":
        made = support.PostgresCarrier(request.getfixturevalue("bus_cluster"))
        await made.prepare()
    else:
        made = support.RabbitCarrier(request.getfixturevalue("rabbit_node"))
    yield made
    await made.clean()


@pytest.fixture(scope="session")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a service that has an outbox and an inbox."""
    folder = tmp_path_factory.mktemp("postal")
    (folder / "versions").mkdir()
    (folder / "versions" / "0001_tables.py").write_text(VERSION)
    (folder / "env.py").write_text("from waggle.db.migrate import run_env\nrun_env()\n")
    return folder
