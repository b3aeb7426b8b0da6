"""Every setting of the cortex service, read once from the environment. The runner has its own: `cortex.runner.settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MEBIBYTE = 1 << 20


def _listed(value: Any) -> Any:
    """`a, b` in an environment variable as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = Annotated[list[str], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """Names are `CORTEX_<FIELD>` unless an alias says otherwise."""

    model_config = SettingsConfigDict(env_prefix="CORTEX_", extra="ignore", populate_by_name=True)

    database_url: SecretStr | None = Field(None, description="owner of the tables; used by `cortex migrate` alone")
    database_app_url: SecretStr = Field(description="login of API and consumers: owns nothing, row-level security applies")
    database_system_url: SecretStr = Field(description="login of the machinery that works across organisations")
    database_pool: int = Field(10, ge=2, le=100, description="connections of this process as cortex_app")
    blobs: str = Field(description="folder or s3://bucket/prefix of files and long reports; the runner's too")
    secret_keys: Annotated[list[SecretStr], NoDecode, BeforeValidator(_listed)] = Field(
        validation_alias=AliasChoices("CORTEX_SECRET_KEYS", "CORTEX_SECRET_KEY"),
        description="keys of the secret box, newest first, separated by commas; the runner's too",
    )
    instance: str = Field("local", pattern=r"^[A-Za-z0-9_-]+$", description="the name requests on the bus are addressed to")
    sender: str = Field("cortex", min_length=1, description="the name this service signs its messages with on the bus")
    analyzer_paths: Listed = Field(
        default_factory=list, description="folders of analyzers, catalog files or URLs of catalogs, separated by commas"
    )
    responder_paths: Listed = Field(default_factory=list, description="the same of responders")
    misp_modules_url: str | None = Field(
        None, description="a misp-modules server whose expansion modules are analyzers here; none: off. The runner's setting too"
    )
    analyzers_python: str | None = Field(None, description="the runner's setting; `cortex analyzers` checks that it is there")
    job_cache_minutes: int = Field(10, ge=0, description="how long a report answers equal requests, for workers that do not say")
    rate_limit: Literal["queue", "refuse"] = Field(
        "queue", description="a job over its worker's rate waits for its turn, or is refused with the classic 429"
    )
    job_timeout_seconds: float = Field(1800, gt=0, description="the runner's limit; shown as the form's default")
    retention_days: int = Field(0, ge=0, description="jobs older than this are forgotten, with their reports and files; 0: none")
    retention_jobs: int = Field(0, ge=0, description="ended jobs beyond this many per organisation are forgotten; 0: none")
    longest_wait_seconds: float = Field(600, gt=0, description="`waitreport` answers after this long at the latest")
    stream_seconds: float = Field(60, gt=0, description="how long a page's call to `/api/stream` waits for news")
    misp_wait_seconds: float = Field(
        8, gt=0, description="`/query` answers after this long at the latest; MISP gives up after 10"
    )
    max_attachment: int = Field(512 * MEBIBYTE, ge=1, description="bytes of one multipart body")
    max_json: int = Field(16 * MEBIBYTE, ge=1, description="bytes of any other body")
    auth_basic: bool = Field(True, description="whether HTTP Basic is accepted")
    session_minutes: float = Field(60, gt=0, description="life of a session without use")
    init_from: Listed = Field(
        default_factory=list, description="addresses that may act without credentials while there is no user; none: nobody may"
    )
    public_url: str = Field(
        "http://127.0.0.1:9001",
        validation_alias=AliasChoices("CORTEX_PUBLIC_URL", "WAGGLE_PUBLIC_URL"),
        description="where people reach this service; https makes cookies secure",
    )
    internal_url: str | None = Field(None, description="where neighbour services fetch files, if not at public_url")
    service_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="keys by which neighbours fetch files here: {service: key}"
    )
    neighbour_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="keys by which this service fetches files from neighbours: {origin URL: key}"
    )
    pages: Path | None = Field(None, description="folder of the built web pages")
    trusted_proxies: Listed = Field(default_factory=list, description="proxies whose word on a caller's address is taken")
    metrics_token: SecretStr | None = Field(None, description="who else than loopback may read /metrics")

    @property
    def secure_cookies(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def claims_url(self) -> str:
        """Where neighbours fetch the content of this service's messages."""
        return f"{(self.internal_url or self.public_url).rstrip('/')}/api/claims"
