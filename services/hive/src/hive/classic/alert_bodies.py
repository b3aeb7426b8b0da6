"""Alerts as classic clients write them (contracts hive-v0 §2.1)."""

from __future__ import annotations

from typing import Any

from hive.acting import Acting
from hive.alerts.intake import AlertDraft
from hive.alerts.models import Alert
from hive.alerts.service import AlertChanges
from hive.catalogue import Catalogue
from hive.classic import fields
from hive.classic import observables as artifacts
from hive.classic.preparing import prepared
from hive.classic.reading import Body
from waggle.ids import now_ms


async def draft_of(acting: Acting, body: Body) -> AlertDraft:
    """A classic alert. Unknown keys, statuses and templates are ignored; observables without a value are left out."""
    given = body.objects("artifacts")
    kind, source = body.need("type", limit=32), body.need("source", limit=32)
    source_ref, title = body.need("sourceRef", limit=128), body.need("title", limit=512)
    description = body.need("description")
    tlp, unknown = body.tlp()
    named = fields.named(body)
    catalogue = await prepared(acting, types=artifacts.type_names(given), fields=named)
    drafts = [draft for one in given for draft in await artifacts.drafts_of(acting, one, catalogue)]
    return AlertDraft(
        type=kind, source=source, source_ref=source_ref, title=title, description=description,
        date=body.date("date") or now_ms(), severity=body.severity() or 2, tlp=tlp or "AMBER", pap=body.pap() or "AMBER",
        tags=[*(body.texts("tags") or []), *(["tlp:unknown"] if unknown else [])], flag=body.flag("flag") or False,
        external_link=body.text("externalLink", limit=4096), case_template=body.text("caseTemplate", limit=128) or None,
        fields=fields.values_of(named, catalogue), observables=drafts,
    )  # fmt: skip


def changes_of(body: Body, alert: Alert, catalogue: Catalogue) -> AlertChanges:
    columns: dict[str, Any] = {}
    for name, column, limit in (
        ("type", "type", 32), ("source", "source", 32), ("sourceRef", "source_ref", 128), ("title", "title", 512),
        ("description", "description", 1_048_576),
    ):  # fmt: skip
        if (text := body.text(name, limit=limit)) is not None:
            columns[column] = text
    for name, column in (("summary", "summary"), ("externalLink", "external_link")):
        if body.has(name):
            columns[column] = body.text(name)
    pairs = (
        ("severity", "severity", body.severity()), ("date", "date", body.date("date")), ("pap", "pap", body.pap()),
        ("lastSyncDate", "last_sync_date", body.date("lastSyncDate")), ("tags", "tags", body.texts("tags")),
        ("flag", "flag", body.flag("flag")), ("follow", "follow", body.flag("follow")),
    )  # fmt: skip
    columns |= {column: value for name, column, value in pairs if body.has(name) and value is not None}
    tlp, _ = body.tlp()
    if tlp is not None and not (tlp == "RED" and alert.tlp == "AMBER+STRICT"):
        columns["tlp"] = tlp
    return AlertChanges(columns=columns, fields=fields.changed(body, alert.custom_fields, catalogue), fields_mode="replace")
