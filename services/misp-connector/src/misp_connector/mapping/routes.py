"""`/api/mapping`: a neighbour asks what an event file says, in the words of the messages."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Body, Request

from misp_connector.access.guards import Neighbour
from misp_connector.mapping.alert import map_event
from misp_connector.mapping.event import UnreadableEvent, parse_event
from misp_connector.mapping.model import MappingOptions
from misp_connector.publishing.alert_raised import message_of
from misp_connector.runtime import runtime_of
from waggle.contracts.messages.alerts import AlertRaised
from waggle.errors import BadRequest

router = APIRouter(prefix="/api", tags=["mapping"])
SOURCE = "file"


@router.post("/mapping", response_model=AlertRaised, response_model_exclude_none=True)
def map_document(request: Request, service: Neighbour, document: Any = Body()) -> AlertRaised:
    """The event as an alert with its observables and techniques; nothing is stored. Contents of attachments are left out."""
    try:
        event = parse_event(document)
    except UnreadableEvent as error:
        raise BadRequest(str(error)) from None
    mapped = map_event(event, options=MappingOptions(instance=SOURCE, base_url=None, feed=True), files={})
    return message_of(mapped, removed=(), claims_url=runtime_of(request).settings.claims_url)
