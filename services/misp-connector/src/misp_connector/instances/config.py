"""What can be set for an instance, with defaults and units (contract misp §1.2). Unknown keys are refused loudly:
silent acceptance is how TheHive 4 users lost `interval` and `max-age`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from misp_connector.mapping.model import ContextPolicy

Kind = Literal["server", "feed"]
Purpose = Literal["ImportAndExport", "ImportOnly", "ExportOnly"]

_DURATION = re.compile(r"(\d{1,9})\s*(s|m|h|d)?")
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_MEBIBYTE = 1 << 20


def _seconds(value: Any) -> Any:
    """`90`, `"90"`, `"90s"`, `"15m"`, `"1h"`, `"7d"` in seconds."""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if not found:
        raise ValueError("a duration is a number of seconds, or a number with s, m, h or d")
    return int(found[1]) * _SECONDS[found[2]]


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters are not allowed")
    return value


def _without_login(value: str) -> str:
    if is_web_address(value) and "@" in urlsplit(value).netloc:
        raise ValueError("a login in the address would be shown to every reader; use the key")
    return value


def _http_header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("a key is printable ASCII text")
    return SecretStr(text)


Duration = Annotated[int, BeforeValidator(_seconds)]
Text = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Texts = Annotated[tuple[Text, ...], Field(max_length=200)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="the alerts' source")]
Url = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_printable), AfterValidator(_without_login)]
Key = Annotated[SecretStr, AfterValidator(_http_header)]


class Options(BaseModel):
    """Everything about an instance beside its name, address and key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interval: Duration = Field(3600, ge=10, le=30 * 86400, description="seconds between polls, plus up to 10 % of jitter")
    initial_delay: Duration = Field(0, ge=0, le=86400, description="seconds before the first poll")
    overlap: Duration = Field(120, ge=0, le=7 * 86400, description="seconds before the cursor that are read again")
    max_age: Duration | None = Field(None, ge=1, description="seconds; older publications are not imported")
    max_attributes: int | None = Field(None, ge=0, description="events with more attributes are not imported")
    max_size: int = Field(50 * _MEBIBYTE, ge=1024, description="bytes of one event without its attachments")
    max_attachment_size: int = Field(20 * _MEBIBYTE, ge=0, description="bytes; a larger file is named, not imported")
    include_orgs: Texts = Field((), description="names or UUIDs of creator organisations")
    exclude_orgs: Texts = ()
    include_tags: Texts = Field((), description="event tags, exact or with *; one of them is needed")
    exclude_tags: Texts = ()
    case_template: Text | None = Field(None, description="template of cases made from these alerts")
    alert_tags: Texts = ()
    observable_tags: Texts = ()
    organisations: Texts = Field((), description="hive's organisations that receive the alerts; empty: the default receivers")
    fold: bool = Field(
        False, description="one alert for an event that other instances with this setting have told of, by its UUID"
    )
    context_attributes: ContextPolicy = Field("describe", description="what becomes of attributes that are no indicators")
    export_scope: Literal["iocs", "all"] = Field("iocs", description="which observables an export holds")
    export_strategy: Literal["update", "extend", "new"] = Field(
        "update",
        description="a case made of a MISP event: update the event where that is allowed, else extend it; always extend it; or"
        " make an event without relation",
    )
    export_distribution: int = Field(0, ge=0, le=4, description="0 own organisation to 3 all communities, 4 a sharing group")
    export_sharing_group: int | None = Field(None, ge=1, description="number of the sharing group, for distribution 4")
    export_publish: bool = Field(False, description="publish exported events; a request may say otherwise")
    export_case_tags: bool = False
    export_observable_tags: bool = False
    export_case_link: bool = Field(False, description="add the address of the case as a link, internal reference")
    export_objects: bool = Field(True, description="files as objects with their hashes instead of lone samples")
    export_sightings: bool = Field(False, description="tell MISP when exported observables were sighted here")
    export_auto: bool = Field(False, description="export a case again, once it was exported, whenever its IOCs change")
    export_removed: Literal["keep", "unset_ids", "soft_delete"] = Field(
        "unset_ids", description="what becomes of an exported attribute whose observable is no longer an IOC, or gone"
    )
    verify_tls: bool = True
    ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    client_cert: Path | None = Field(None, description="client certificate with its key, PEM")
    proxy: Url | None = Field(None, description="http:// or https:// address that all connections go through")
    connect_timeout: Duration = Field(10, ge=1, le=300)
    read_timeout: Duration = Field(120, ge=1, le=3600)
    page_size: int = Field(100, ge=1, le=1000)

    @model_validator(mode="after")
    def _proxy_is_an_address(self) -> Options:
        if self.proxy is not None and not is_web_address(self.proxy):
            raise ValueError("proxy starts with http:// or https://")
        return self

    @model_validator(mode="after")
    def _sharing_group_is_named(self) -> Options:
        if (self.export_distribution == 4) != (self.export_sharing_group is not None):
            raise ValueError("export_sharing_group goes with export_distribution 4, and 4 needs it")
        return self


class InstanceInput(BaseModel):
    """A new instance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    kind: Kind = "server"
    url: Url = Field(description="of the server, or the feed's folder or address (where manifest.json lies)")
    key: Key | None = Field(None, description="API key of a MISP user; a feed has none")
    enabled: bool = True
    purpose: Purpose = "ImportAndExport"
    options: Options = Options()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> InstanceInput:
        if self.kind == "server" and self.key is None:
            raise ValueError("a server needs a key")
        if self.kind == "feed" and self.key is not None:
            raise ValueError("a feed has no key")
        if self.kind == "feed" and self.purpose == "ExportOnly":
            raise ValueError("a feed can only be imported")
        if self.kind == "server" and not is_web_address(self.url):
            raise ValueError("a server's url starts with http:// or https://")
        return self


class InstanceChange(BaseModel):
    """What may change later. Options that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url | None = None
    key: Key | None = None
    enabled: bool | None = None
    purpose: Purpose | None = None
    options: dict[str, Any] | None = Field(None, description="the options to change; null sets the default")


def is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def folder_of(url: str) -> Path:
    """The folder of a feed, given as a path or as a `file://` address."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)


def folder_allowed(url: str, folders: Iterable[Path]) -> bool:
    """Whether the feed's folder lies in or below one of `folders`, links followed."""
    wanted = folder_of(url).resolve()
    return any(wanted.is_relative_to(folder.resolve()) for folder in folders)


def normal_url(url: str) -> str:
    """With exactly one trailing slash: PyMISP joins with `urljoin`, which drops a path prefix that lacks it."""
    return url.strip().rstrip("/") + "/"
