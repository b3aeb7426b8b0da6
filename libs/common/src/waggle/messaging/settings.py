"""The bus' settings, read by every service from its environment."""

from __future__ import annotations

import os

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from waggle.messaging.signing import Keyring, Sender, Signer


class SenderSettings(BaseModel):
    """A sender as configured; `organisations` null: it may speak for all of them."""

    keys: list[str] = Field(min_length=1)
    organisations: list[str] | None = None


class BusSettings(BaseSettings):
    """`WAGGLE_AMQP_URL` set: RabbitMQ; else the queues of PostgreSQL at `BUS_DATABASE_URL`."""

    model_config = SettingsConfigDict(extra="ignore")

    amqp_url: SecretStr | None = Field(default=None, validation_alias="WAGGLE_AMQP_URL", description="amqp:// or amqps:// URL")
    database_url: SecretStr | None = Field(
        default=None, validation_alias="BUS_DATABASE_URL", description="this service's login at the database `bus`"
    )
    signing_key: SecretStr = Field(validation_alias="WAGGLE_SIGNING_KEY", description="Ed25519, 32 bytes in base64")
    senders: dict[str, SenderSettings] = Field(
        validation_alias="WAGGLE_SENDERS", description='JSON: {"hive": {"keys": ["…"], "organisations": null}, …}'
    )

    @classmethod
    def given(cls) -> BusSettings | None:
        """The bus that the environment names; None where it names none."""
        named = any(os.environ.get(name) for name in ("WAGGLE_AMQP_URL", "BUS_DATABASE_URL"))
        return cls() if named else None

    def signer(self) -> Signer:
        return Signer(self.signing_key.get_secret_value())

    def keyring(self) -> Keyring:
        return Keyring(
            {
                source: Sender(tuple(s.keys), None if s.organisations is None else frozenset(s.organisations))
                for source, s in self.senders.items()
            }
        )
