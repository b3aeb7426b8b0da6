"""Instances as the API shows them. A key is never shown, only whether there is one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from misp_connector.instances.announce import status_word
from misp_connector.instances.config import Kind, Options, Purpose
from misp_connector.instances.model import Instance, State
from misp_connector.sources.source import Status
from waggle.ids import now_ms


class StateOutput(BaseModel):
    status: str = Field(description="OK, ERROR, PENDING (not polled yet) or DISABLED")
    server_version: str | None
    role: dict[str, Any] | None = Field(description="of the key's user on the server, with its permissions")
    last_started: int | None = Field(description="ms")
    last_ok: int | None = Field(description="ms, end of the last good poll")
    last_error: str | None = Field(description="of the last poll; null after a good one")
    failures: int = Field(description="failed polls in a row")
    next_poll: int | None = Field(description="ms; null while it is polled")
    polling: bool
    lag: int | None = Field(description="s since the last good poll: what was published since may be missing; null before it")
    retrying: int = Field(description="events that could not be read and are tried again")
    unknown_organisations: list[str] = Field(description="receivers that hive does not have; their alerts are dead letters there")
    cursor: int | None = Field(description="s, publish timestamp up to which everything was imported")


class InstanceOutput(BaseModel):
    name: str
    kind: Kind
    url: str
    has_key: bool
    enabled: bool
    purpose: Purpose
    options: Options
    managed: str = Field(description="file: defined in the settings file; api: over REST")
    version: int
    state: StateOutput


class TestOutput(BaseModel):
    """What a source says when it is asked now."""

    ok: bool
    error: str | None = None
    server_version: str | None = None
    role: dict[str, Any] | None = None
    missing_permissions: list[str] = []


class PollInput(BaseModel, extra="forbid"):
    since: int | None = Field(None, ge=0, le=2**53, description="ms: read again what was published from then on")


class PollOutput(BaseModel):
    instances: list[str] = Field(description="names of those that will be polled")


def instance_output(instance: Instance, state: State) -> InstanceOutput:
    return InstanceOutput(
        name=instance.name,
        kind=instance.kind,
        url=instance.url,
        has_key=instance.key_sealed is not None,
        enabled=instance.enabled,
        purpose=instance.purpose,
        options=instance.options,
        managed=instance.managed,
        version=instance.version,
        state=StateOutput(
            status=status_word(instance, state),
            server_version=state.server_version,
            role=state.role,
            last_started=state.last_started,
            last_ok=state.last_ok,
            last_error=state.last_error,
            failures=state.failures,
            next_poll=state.next_poll,
            polling=state.polling,
            lag=None if state.last_ok is None else max(0, now_ms() - state.last_ok) // 1000,
            retrying=state.retrying,
            unknown_organisations=list(state.unknown_organisations),
            cursor=state.cursor,
        ),
    )


def test_output(status: Status) -> TestOutput:
    return TestOutput(
        ok=True,
        server_version=status.version,
        role=status.role,
        missing_permissions=list(status.missing_permissions),
    )
