"""A bus for one test, in the run's PostgreSQL: logins and signing keys as a set-up would make them."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy.engine import make_url

from waggle.contracts.messages.base import Service
from waggle.messaging import Keyring, Sender, Signer
from waggle.messaging.postgres import PostgresBus
from waggle.messaging.postgres_schema import install
from waggle.messaging.rights import PREFIXES
from waggle.testing import PASSWORD, Server


@dataclass(frozen=True)
class TestBus:
    """`private` are the services' signing keys; `urls` their logins."""

    __test__ = False

    urls: dict[Service, str]
    private: dict[Service, str]

    def open(self, service: Service) -> PostgresBus:
        return PostgresBus(self.urls[service], signer=Signer(self.private[service]), keyring=self.keyring())

    def _public(self) -> dict[str, str]:
        return {name: Signer(key).public_key for name, key in self.private.items()}

    def keyring(self) -> Keyring:
        return Keyring({name: Sender((key,)) for name, key in self._public().items()})

    def environment(self, service: Service) -> dict[str, str]:
        senders = {name: {"keys": [key]} for name, key in self._public().items()}
        return {
            "BUS_DATABASE_URL": self.urls[service],
            "WAGGLE_SIGNING_KEY": self.private[service],
            "WAGGLE_SENDERS": json.dumps(senders),
        }


@asynccontextmanager
async def bus_in(server: Server) -> AsyncIterator[TestBus]:
    """A bus with the logins of all services; it is gone after the block."""
    mark = secrets.token_hex(5)
    database = f"bus_{mark}"
    logins = {service: f"{prefix}_{mark}" for service, prefix in PREFIXES.items()}
    admin = await asyncpg.connect(server.url)
    try:
        await admin.execute(f"CREATE DATABASE {database}")
        for login in logins.values():
            await admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'")
        owner = make_url(server.url).set(database=database).render_as_string(hide_password=False)
        await install(owner, {login: service for service, login in logins.items()})
        yield TestBus(
            urls={service: server.database_url(database, login) for service, login in logins.items()},
            private={service: Signer.new_key() for service in PREFIXES},
        )
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for login in logins.values():
            await admin.execute(f"DROP ROLE IF EXISTS {login}")
        await admin.close()
