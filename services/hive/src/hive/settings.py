"""Every setting of hive, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _listed(value: Any) -> Any:
    """`a, b` in an environment variable as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


MEBIBYTE = 1 << 20


class Settings(BaseSettings):
    """Names are `HIVE_<FIELD>` unless an alias says otherwise."""

    model_config = SettingsConfigDict(env_prefix="HIVE_", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(None, description="owner of the tables; used by `hive migrate` and `hive seed` alone")
    database_app_url: SecretStr = Field(description="login of API and consumers: owns nothing, row-level security applies")
    database_system_url: SecretStr = Field(description="login of the machinery that works across organisations")
    database_pool: int = Field(10, ge=2, le=100, description="connections of this process as hive_app")
    blobs: str = Field(description="folder or s3://bucket/prefix of the attachments")
    secret_keys: Annotated[list[SecretStr], NoDecode, BeforeValidator(_listed)] = Field(
        validation_alias=AliasChoices("HIVE_SECRET_KEYS", "HIVE_SECRET_KEY"),
        description="keys of the secret box, newest first, separated by commas",
    )
    public_url: str = Field(
        "http://127.0.0.1:9000",
        validation_alias=AliasChoices("HIVE_PUBLIC_URL", "WAGGLE_PUBLIC_URL"),
        description="where people and neighbours reach this service; https makes cookies secure",
    )
    internal_url: str | None = Field(None, description="where neighbour services fetch files, if not at public_url")
    max_attachment: int = Field(512 * MEBIBYTE, ge=1, description="bytes of one multipart body")
    max_json: int = Field(16 * MEBIBYTE, ge=1, description="bytes of any other body")
    session_hours: float = Field(12, gt=0, le=720, description="life of a browser session without use")
    outbound_allow: Annotated[list[str], NoDecode, BeforeValidator(_listed)] = Field(
        default_factory=list,
        validation_alias=AliasChoices("WAGGLE_OUTBOUND_ALLOW"),
        description="hosts and CIDRs that targets set over REST may lie in",
    )
    service_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="keys by which neighbours fetch files here: {service: key}"
    )
    neighbour_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="keys by which this service fetches files from neighbours: {origin URL: key}"
    )
    pages: Path | None = Field(None, description="folder of the built web pages")
    metrics_token: SecretStr | None = Field(None, description="who else than loopback may read /metrics")
    key_reading: bool = Field(True, description="whether keys made by the classic key/renew routes can be read back")

    @property
    def secure_cookies(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def claims_url(self) -> str:
        return f"{(self.internal_url or self.public_url).rstrip('/')}/api/internal/claims"
