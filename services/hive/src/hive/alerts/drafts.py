"""From what a caller sent to a checked draft: types, statuses, fields and people must exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hive.alerts.intake import AlertDraft
from hive.alerts.schemas import InputAlert
from hive.attachments.files import StoredFile
from hive.catalogue import Catalogue
from hive.customfields.values import names_in, parsed
from hive.identity.models import User
from hive.markings import pap_of, tlp_of
from hive.observables.drafts import ObservableDraft, checked
from hive.observables.inputs import drafts_of
from waggle.errors import BadRequest
from waggle.ids import now_ms


def names_used(alerts: Iterable[InputAlert]) -> tuple[set[str], set[str]]:
    """The observable types and custom fields that a catalogue must know."""
    types: set[str] = set()
    fields: set[str] = set()
    for alert in alerts:
        types |= {o.data_type for o in alert.observables}
        fields |= names_in(alert.custom_fields)
    return types, fields


def draft_of(
    given: InputAlert, catalogue: Catalogue, *, files: Mapping[str, Sequence[StoredFile]], assignee: User | None
) -> AlertDraft:
    """Raises InvalidFields or BadRequest. `files` are the stored parts of a multipart request by part name."""
    now = now_ms()
    status = "Duplicate" if given.status == "Duplicated" else given.status or "New"
    stage = catalogue.stage("alert", status)
    if stage == "Imported":
        raise BadRequest("the status Imported is set by importing an alert into a case")
    observables: list[ObservableDraft] = []
    for one in given.observables:
        observables += [checked(draft, catalogue, now=now) for draft in drafts_of(one, catalogue, files)]
    return AlertDraft(
        type=given.type, source=given.source, source_ref=given.source_ref, title=given.title, description=given.description,
        date=now if given.date is None else given.date, severity=given.severity, tlp=tlp_of(given.tlp), pap=pap_of(given.pap),
        status=status, stage=stage, tags=given.tags, flag=given.flag, external_link=given.external_link,
        case_template=given.case_template or None, summary=given.summary, assignee_id=assignee.id if assignee else None,
        assignee=assignee.login if assignee else None, fields=parsed(given.custom_fields, catalogue), observables=observables,
    )  # fmt: skip
