"""A case of a MISP event file. The mapping lives in the connector and is asked there; hive checks that it is an event at all."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from hive.alerts.intake import AlertDraft
from hive.cases import service as cases
from hive.cases.edits import drafted
from hive.cases.models import Case
from hive.cases.schemas import InputPromoteAlert
from hive.cases.service import CaseDraft
from hive.catalogue import Catalogue
from hive.events.alerts import procedures_of
from hive.identity.caller import Caller
from hive.observables.service import Parent, create
from hive.parents import Parent as AnyParent
from hive.platform import Hive
from hive.procedures import service as procedures
from hive.templates import service as templates
from waggle.contracts.messages.alerts import AlertRaised
from waggle.errors import BadRequest, Unavailable
from waggle.security.outbound import guarded_client

TIMEOUT = 60.0
NO_EVENT = "Could not convert json to MISP event"


def event_in(content: bytes) -> Any:
    """The document of a file, if it looks like a MISP event in any of the forms they travel in. Raises BadRequest."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadRequest(NO_EVENT) from None
    event = document
    if isinstance(event, dict) and "response" in event:
        event = event["response"]
    if isinstance(event, list) and event:
        event = event[0]
    if isinstance(event, dict) and "Event" in event:
        event = event["Event"]
    if not isinstance(event, dict) or not isinstance(event.get("info"), str) or not isinstance(event.get("uuid"), str):
        raise BadRequest(NO_EVENT)
    return document


async def mapped(hive: Hive, document: Any) -> AlertRaised:
    """The event as the connector reads it. Raises BadRequest where it cannot, Unavailable where there is no connector."""
    url = hive.settings.misp_connector_url
    if url is None:
        raise Unavailable("no MISP connector is configured (HIVE_MISP_CONNECTOR_URL)")
    parts = urlsplit(url)
    key = hive.settings.neighbour_keys.get(f"{parts.scheme}://{parts.netloc}")
    headers = {"Authorization": f"Bearer {key.get_secret_value() if key else ''}"}
    guard = hive.outbound.trusting()  # the connector comes from the operator's settings
    try:
        async with guarded_client(guard, timeout=TIMEOUT) as client:
            answer = await client.post(f"{url.rstrip('/')}/api/mapping", json=document, headers=headers)
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(f"the MISP connector does not answer: {type(error).__name__}") from None
    if answer.status_code in (400, 413):
        raise BadRequest(NO_EVENT)
    if answer.status_code != 200:
        raise Unavailable(f"the MISP connector answered {answer.status_code}")
    try:
        return AlertRaised.model_validate_json(answer.content)
    except ValidationError:
        raise Unavailable("the MISP connector answered something else than an event") from None


async def make_case(
    session: AsyncSession, caller: Caller, raised: AlertRaised, draft: AlertDraft, given: InputPromoteAlert,
    catalogue: Catalogue,
) -> Case:  # fmt: skip
    """The case with all observables and techniques of the event; what the request gives overrides the event's."""
    base = CaseDraft(
        title=draft.title, description=draft.description, severity=draft.severity, tlp=draft.tlp, pap=draft.pap,
        start_date=draft.date, tags=draft.tags,
    )  # fmt: skip
    wanted = await drafted(session, caller, base, given, catalogue)
    if given.case_template:
        template = await templates.find(session, given.case_template)
        sent = {name for name, value in given.given().items() if value is not None}
        fixed = sent | {"description", "severity", "tlp", "pap"}
        wanted = templates.applied(wanted, template, catalogue, given=fixed, unite_tags="tags" not in sent)
    case = await cases.create(session, caller, wanted, catalogue)
    await create(session, caller, Parent("case", case.id, case.org_id), draft.observables)
    known = await procedures.recognised(session, procedures_of(raised))
    if known:
        await procedures.add(session, caller, AnyParent("case", case.id, case.org_id), known, base=False)
    await session.refresh(case)
    return case
