"""A case as it leaves for MISP: what the connector may see of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from hive import claims
from hive.alerts.models import Alert
from hive.attachments.files import keep
from hive.cases.models import Case
from hive.observables.models import Observable
from hive.platform import Hive
from hive.procedures.models import Procedure
from hive.tables import text_id
from waggle.contracts.envelope import DataRef
from waggle.contracts.messages.misp import (
    ExportedCase,
    ExportFile,
    ExportHeld,
    ExportObservable,
    ExportSource,
    ExportTechnique,
)
from waggle.contracts.vocabulary import tlp_word

TYPE = "application/json"
CONNECTOR = "misp-connector"
HELD_TLP = "RED"
NO_EXPORT = "misp:no-export"
"""Tag of an observable that never leaves."""


async def exported_case(hive: Hive, session: AsyncSession, case: Case) -> ExportedCase:
    """The case with all observables that may leave, whose files the connector may fetch; the others are named by id alone."""
    rows = list(await session.scalars(select(Observable).where(Observable.case_id == case.id).order_by(Observable.id)))
    held = {one.id: reason for one in rows if (reason := _why_held(one))}
    leaving = [one for one in rows if one.id not in held]
    for one in leaving:
        if one.sha256 is not None:
            await claims.allow(
                session, service=CONNECTOR, sha256=one.sha256, content_type=one.content_type or "application/octet-stream"
            )
    namespace = UUID(str(await session.scalar(text("SELECT export_namespace FROM installation"))))
    return ExportedCase(
        namespace=namespace, event_uuid=uuid5(namespace, f"{case.org_id}|{case.id}"), case_id=text_id(case.id),
        number=case.number, title=case.title, severity=case.severity, tlp=case.tlp, pap=case.pap, start_date=case.start_date,
        stage=case.stage, tags=tuple(case.tags), version=case.version,
        link=f"{hive.settings.public_url.rstrip('/')}/cases/{text_id(case.id)}/details",
        observables=tuple(_observable(hive, one) for one in leaving),
        held=tuple(ExportHeld(observable_id=text_id(name), reason=reason) for name, reason in held.items()),
        techniques=await _techniques(session, case), sources=await _sources(session, case, rows),
    )  # fmt: skip


async def kept(hive: Hive, session: AsyncSession, document: ExportedCase) -> DataRef:
    """Where the connector, and nobody else, may fetch the document."""
    blob = await keep(hive.blobs, hive.database, document.model_dump_json(exclude_none=True).encode())
    await claims.allow(session, service=CONNECTOR, sha256=bytes.fromhex(blob.sha256), content_type=TYPE)
    return DataRef.model_validate({"sha256": blob.sha256, "size": blob.size, "url": f"{hive.settings.claims_url}/{blob.sha256}"})


def _why_held(one: Observable) -> str | None:
    if tlp_word(one.tlp) == HELD_TLP:
        return f"TLP:{HELD_TLP}"
    return f"tagged {NO_EXPORT}" if NO_EXPORT in one.tags else None


def _observable(hive: Hive, one: Observable) -> ExportObservable:
    return ExportObservable(
        id=text_id(one.id), data_type=one.data_type, data=one.data, file=_file(hive, one), tlp=one.tlp, ioc=one.ioc,
        tags=tuple(one.tags), message=one.message, first_seen=one.first_seen,
        sighted_at=(one.sighted_at or one.created_at) if one.sighted else None, origin=one.origin,
    )  # fmt: skip


def _file(hive: Hive, one: Observable) -> ExportFile | None:
    if one.sha256 is None or one.blob is None:
        return None
    digest = one.sha256.hex()
    return ExportFile(
        name=one.file_name or digest, content_type=one.content_type or "application/octet-stream", size=one.blob["size"],
        sha256=digest, md5=one.blob["md5"], sha1=one.blob["sha1"], url=f"{hive.settings.claims_url}/{digest}",
    )  # fmt: skip


async def _techniques(session: AsyncSession, case: Case) -> tuple[ExportTechnique, ...]:
    rows = await session.scalars(select(Procedure).where(Procedure.case_id == case.id).order_by(Procedure.id))
    found = {one.pattern_id: one.pattern_name or one.pattern_id for one in rows}
    return tuple(ExportTechnique(pattern_id=pattern, name=name) for pattern, name in found.items())


async def _sources(session: AsyncSession, case: Case, observables: Iterable[Observable]) -> tuple[ExportSource, ...]:
    """The MISP events the case came from: those of its alerts, first the one of its first alert.

    An event is named by what its observables say of their origin; for one without any, by the reference of a feed's alert.
    """
    alerts = list(await session.scalars(select(Alert).where(Alert.case_id == case.id, Alert.type == "misp").order_by(Alert.id)))
    names = {alert.source for alert in alerts}
    brought = await session.scalars(
        select(Observable.origin)
        .where(Observable.alert_id.in_([alert.id for alert in alerts]), Observable.origin.is_not(None))
        .order_by(Observable.alert_id, Observable.id)
    )
    origins: list[dict[str, Any]] = [*(one for one in brought if one), *(one.origin for one in observables if one.origin)]
    found: dict[tuple[str, UUID], None] = {}
    for origin in origins:
        if origin.get("instance") in names and origin.get("event"):
            found[(str(origin["instance"]), UUID(str(origin["event"])))] = None
    return tuple(ExportSource(instance=instance, event=event) for instance, event in found)
