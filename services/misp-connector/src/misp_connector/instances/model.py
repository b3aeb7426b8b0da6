"""An instance and its state, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping

from misp_connector.instances.config import Kind, Options, Purpose
from misp_connector.mapping.model import MappingOptions


@dataclass(frozen=True, slots=True)
class Instance:
    id: int
    name: str
    kind: Kind
    url: str
    key_sealed: bytes | None
    options: Options
    enabled: bool
    purpose: Purpose
    managed: str
    trusted: bool
    version: int

    @property
    def imports(self) -> bool:
        return self.enabled and self.purpose != "ExportOnly"

    @property
    def seal_context(self) -> str:
        """What a sealed key is bound to, so that it does not open in another row."""
        return f"instances:{self.name}"

    def mapping_options(self) -> MappingOptions:
        web = self.url.startswith(("http://", "https://"))
        return MappingOptions(
            instance=self.name,
            base_url=self.url if web else None,
            feed=self.kind == "feed",
            case_template=self.options.case_template,
            alert_tags=self.options.alert_tags,
            observable_tags=self.options.observable_tags,
            context_attributes=self.options.context_attributes,
        )


@dataclass(frozen=True, slots=True)
class State:
    """How an instance is doing. Times are milliseconds."""

    server_version: str | None
    role: dict[str, Any] | None
    last_started: int | None
    last_ok: int | None
    last_error: str | None
    failures: int
    next_poll: int | None
    polling: bool
    cursor: int | None
    """Publish timestamp in seconds up to which everything was imported."""
    retrying: int
    """Events that could not be read and are tried again."""
    unknown_organisations: tuple[str, ...]
    """Receivers that hive does not have."""


def instance_of(row: RowMapping) -> Instance:
    return Instance(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        url=row["url"],
        key_sealed=row["key_sealed"],
        options=Options.model_validate(row["options"]),
        enabled=row["enabled"],
        purpose=row["purpose"],
        managed=row["managed"],
        trusted=row["trusted"],
        version=row["version"],
    )


def state_of(row: RowMapping) -> State:
    return State(
        server_version=row["server_version"],
        role=row["role"],
        last_started=row["last_started"],
        last_ok=row["last_ok"],
        last_error=row["last_error"],
        failures=row["failures"],
        next_poll=row["next_poll"],
        polling=row["polling"],
        cursor=row["cursor"],
        retrying=row["retrying"],
        unknown_organisations=tuple(row["unknown_organisations"]),
    )
