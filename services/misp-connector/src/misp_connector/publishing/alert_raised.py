"""A mapped event → `alert.raised.v1`, one envelope for each organisation that receives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from misp_connector.mapping.model import Mapped, Observable, Origin, SourceAttribute
from misp_connector.publishing.envelopes import claimed, data_of, envelope_of
from waggle.blobs import BlobStore
from waggle.contracts.envelope import Envelope
from waggle.contracts.messages.alerts import AlertRaised

NAMESPACE = UUID("0b6ac1b5-55a5-5fb4-8b0f-6a7b51a0c7de")


def message_of(mapped: Mapped, *, removed: Sequence[str], claims_url: str, case_id: str | None = None) -> AlertRaised:
    """The whole event, always: a receiver that lost or refused an earlier message is right again after this one."""
    alert = mapped.alert
    return AlertRaised.model_validate(
        {
            "alert": {
                "type": "misp",
                "source": alert.source,
                "source_ref": alert.source_ref,
                "title": alert.title,
                "description": alert.description,
                "severity": alert.severity,
                "date": alert.date,
                "tlp": alert.tlp,
                "pap": alert.pap,
                "tags": alert.tags,
                "external_link": alert.external_link,
                "case_template": alert.case_template,
                "last_sync_date": alert.last_sync_date,
            },
            "observables": [_observable(observable, claims_url) for observable in mapped.observables],
            "procedures": [
                {
                    "pattern_id": procedure.pattern_id,
                    "tactic": procedure.tactic,
                    "description": procedure.description,
                    "occur_date": procedure.occur_date,
                }
                for procedure in mapped.procedures
            ],
            "removed": removed,
            "complete": True,
            "case_id": case_id,
        }
    )


async def envelopes_of(
    session: AsyncSession,
    blobs: BlobStore,
    message: AlertRaised,
    *,
    natural_key: str,
    key: str,
    organisations: Iterable[str],
    claims_url: str,
) -> list[Envelope]:
    """`natural_key` names this publication of this event: a repeat gets the same ids, so hive takes it once.

    Data over the bus' limit becomes a claim.
    """
    data = data_of(message)
    data_ref = await claimed(session, blobs, data, claims_url=claims_url)
    return [
        envelope_of(
            message,
            id=uuid5(NAMESPACE, f"{natural_key}:{organisation}"),
            key=key,
            organisation=organisation,
            data=data,
            data_ref=data_ref,
        )
        for organisation in organisations
    ]


def _observable(observable: Observable, claims_url: str) -> dict[str, Any]:
    file = observable.file
    return {
        "data_type": observable.data_type,
        "data": observable.data,
        "file": file
        and {
            "name": file.name,
            "content_type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
            "url": f"{claims_url}/{file.sha256}",
        },
        "message": observable.message or None,
        "tags": observable.tags,
        "tlp": observable.tlp,
        "ioc": observable.ioc,
        "sighted": observable.sighted,
        "first_seen": observable.first_seen,
        "origin": _origin(observable.origin, observable.data),
    }


def _origin(origin: Origin, data: str | None) -> dict[str, Any]:
    return {
        "instance": origin.instance,
        "event": origin.event_uuid,
        "event_id": origin.event_id,
        "attribute": origin.attribute_uuids[0],
        "attributes": list(origin.attribute_uuids),
        "object": origin.object_uuid,
        "timestamp": origin.timestamp,
        "sources": [_source(source, data) for source in origin.sources],
    }


def _source(source: SourceAttribute, data: str | None) -> dict[str, Any]:
    """Without what says nothing: most values are the observable's own, most attributes lie in no object."""
    shown = {
        "attribute": source.uuid,
        "type": source.type,
        "category": source.category,
        "value": source.value if source.value != data else None,
        "to_ids": source.to_ids or None,
        "comment": source.comment,
        "object": source.object_uuid,
        "template": source.object_name,
        "relation": source.relation,
        "first_seen": source.first_seen,
        "last_seen": source.last_seen,
    }
    return {name: value for name, value in shown.items() if value not in (None, "")}
