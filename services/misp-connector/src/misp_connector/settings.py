"""Every setting of the connector, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from waggle.security.secretbox import SecretBox


def _listed(value: Any) -> Any:
    """`a, b` in an environment variable as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _usable(keys: list[SecretStr]) -> list[SecretStr]:
    SecretBox([key.get_secret_value() for key in keys])  # raises ValueError with what a key must be
    return keys


class Settings(BaseSettings):
    """Names are `MISP_CONNECTOR_<FIELD>` unless an alias says otherwise."""

    model_config = SettingsConfigDict(env_prefix="MISP_CONNECTOR_", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(None, description="owner of the tables; used by `migrate` alone")
    database_app_url: SecretStr = Field(description="login of API, poller and consumers; owns nothing")
    database_system_url: SecretStr = Field(description="login of the relay and of retention")
    database_pool: int = Field(8, ge=2, le=100, description="connections of this process as misp_app")
    blobs: str = Field(description="folder or s3://bucket/prefix of attachments and of messages over the bus' limit")
    blob_days: float = Field(14, gt=0, description="days a blob is kept after it was last named by a message")
    secret_keys: Annotated[list[SecretStr], NoDecode, BeforeValidator(_listed), AfterValidator(_usable)] = Field(
        validation_alias=AliasChoices("MISP_CONNECTOR_SECRET_KEYS", "MISP_CONNECTOR_SECRET_KEY"),
        description="keys of the secret box, newest first, separated by commas",
    )
    service_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description='keys by which neighbours fetch claims here: {"hive": key}'
    )
    neighbour_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="keys by which this service fetches cases and files from hive: {origin URL: key}"
    )
    internal_url: str = Field("http://127.0.0.1:9002", description="where neighbours reach this service's API")
    feed_folders: Annotated[list[Path], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list, description="folders below which feeds may be set over REST, separated by commas"
    )
    instances: Path | None = Field(None, description="settings file with MISP instances, TOML or JSON")
    outbound_allow: Annotated[list[str], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        validation_alias=AliasChoices("WAGGLE_OUTBOUND_ALLOW"),
        description="hosts and CIDRs that targets set over REST may lie in",
    )
    parallel_polls: int = Field(4, ge=1, le=64, description="instances that one process polls at the same time")
    parallel_exports: int = Field(2, ge=1, le=32, description="cases that one process exports at the same time")
    metrics_token: SecretStr | None = Field(None, description="who else than loopback may read /metrics")

    @property
    def claims_url(self) -> str:
        return f"{self.internal_url.rstrip('/')}/api/claims"
