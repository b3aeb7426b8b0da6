"""Every setting of hive, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _listed(value: Any) -> Any:
    """`a, b` in an environment variable as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


MEBIBYTE = 1 << 20


class WebhookAuth(BaseModel):
    """`username` and `password` for `basic`; `key` for `bearer` and `key` (sent as they are called)."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["none", "basic", "bearer", "key"] = "none"
    username: str = ""
    password: SecretStr = SecretStr("")
    key: SecretStr = SecretStr("")


class Webhook(BaseModel):
    """Where changes are told; organisations choose it by name in their notifications (contracts hive-v0 §5.9)."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    url: str
    auth: WebhookAuth = WebhookAuth()
    version: Literal[0, 1] = Field(0, description="0: changes in the words of TheHive 3; 1: as the v1 stream tells them")
    everything: bool = Field(False, description="every change of every included organisation, whatever they chose (TheHive 3)")
    included: list[str] = Field(["*"], alias="includedTheHiveOrganisations")
    excluded: list[str] = Field(default_factory=list, alias="excludedTheHiveOrganisations")


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
    misp_connector_url: str | None = Field(None, description="where the MISP connector answers, to make cases of event files")
    pages: Path | None = Field(None, description="folder of the built web pages")
    metrics_token: SecretStr | None = Field(None, description="who else than loopback may read /metrics")
    key_reading: bool = Field(True, description="whether keys made by the classic key/renew routes can be read back")

    v0_observable_reply: Literal["array", "object-if-single"] = Field(
        "array", description="classic API: answer to one observable created in a case; organisations and users may choose"
    )
    unknown_data_type: Literal["create", "other", "reject"] = Field(
        "create", description="classic API: an observable of a type that does not exist makes it, becomes `other`, or is refused"
    )
    undefined_custom_field: Literal["create", "ignore", "reject"] = Field(
        "create", description="classic API: a value of a custom field that does not exist defines it, is dropped, or is refused"
    )
    v0_strict4: bool = Field(False, description="classic API: the exact codes of TheHive 4 where this one follows TheHive 3")
    export_quiet_seconds: float = Field(
        60,
        ge=0,
        le=86400,
        description="seconds without a change until an exported case's new IOCs are told to the connector",
    )
    v0_export_wait: float = Field(
        30, ge=0, le=300, description="classic API: seconds an export to MISP is waited for before the answer is 202"
    )
    template_by_alert_type: bool = Field(
        False, description="classic API: an alert without a template becomes a case by the template named like its type"
    )
    attachment_password: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "malware", description="password of the zips in which suspicious files are downloaded"
    )
    webhooks: list[Webhook] = Field(default_factory=list, description="targets of notifications, as JSON: [{name, url, auth}]")

    @property
    def secure_cookies(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def claims_url(self) -> str:
        return f"{(self.internal_url or self.public_url).rstrip('/')}/api/internal/claims"
