"""Event → alert, field by field (contract misp §2.3, column "Ours")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from misp_connector.mapping.description import describe
from misp_connector.mapping.event import Event
from misp_connector.mapping.markings import is_marking, pap_of, tlp_of
from misp_connector.mapping.model import Alert, Mapped, MappingOptions, Procedure
from misp_connector.mapping.observables import Files, clean_tags, map_attributes
from waggle.contracts.vocabulary import DEFAULT_TLP

TITLE_LENGTH = 512

_TECHNIQUE = re.compile(r'misp-galaxy:mitre[^=]*attack-pattern="(?P<name>.*?) - (?P<id>T\d{4}(?:\.\d{3})?)"')


def map_event(event: Event, *, options: MappingOptions, files: Files, own: frozenset[str] = frozenset()) -> Mapped:
    """The alert of one event with all its observables and procedures. `own`: attributes that we exported; they make none.

    `files` has an entry for every attribute that `observables.holds_file` names; one without becomes an `other`
    observable that names the file.
    """
    tlp = tlp_of(event.tags) or DEFAULT_TLP
    observables, outcomes = map_attributes(event, options=options, alert_tlp=tlp, files=files, own=own)
    return Mapped(
        event_uuid=event.uuid,
        alert=Alert(
            source=options.instance,
            source_ref=source_ref(event),
            title=_title(event),
            description=describe(event, options=options, link=_external_link(event, options)),
            severity=4 - event.threat_level if event.threat_level != 4 else 2,
            date=_date(event),
            tlp=tlp,
            pap=pap_of(event.tags),
            tags=clean_tags(
                f"src:{event.creator}" if event.creator else "",
                *options.alert_tags,
                *(tag.name for tag in event.tags if not is_marking(tag)),
                "" if event.published or options.feed else "misp:unpublished",
            ),
            external_link=_external_link(event, options),
            case_template=options.case_template,
            last_sync_date=published_at(event, feed=options.feed) * 1000,
        ),
        observables=observables,
        procedures=tuple(_procedures(event)),
        outcomes=outcomes,
    )


def source_ref(event: Event) -> str:
    """The event's number on its server; a feed has no numbers, so there its UUID."""
    return event.id or event.uuid


def published_at(event: Event, *, feed: bool) -> int:
    """Seconds. A feed's file is itself the publication, and feeds carry 0 for events their server never published."""
    return max(event.publish_timestamp, event.timestamp) if feed else event.publish_timestamp


def _title(event: Event) -> str:
    info = " ".join(event.info.split())
    number = f"#{event.id} " if event.id else ""
    return f"{number}{info or 'MISP event ' + event.uuid}"[:TITLE_LENGTH]


def _external_link(event: Event, options: MappingOptions) -> str | None:
    if options.base_url is None:
        return None
    if options.feed:
        return f"{options.base_url}{event.uuid}.json"
    return f"{options.base_url}events/view/{event.id or event.uuid}"


def _date(event: Event) -> int:
    try:
        day = datetime.strptime(event.date, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return event.timestamp * 1000
    return int(day.timestamp() * 1000)


def _procedures(event: Event) -> Iterator[Procedure]:
    """ATT&CK techniques named by tags of the event or its attributes (feeds carry no galaxies, only their tags)."""
    tactics = {cluster.tag_name: _tactic(cluster.tactics) for cluster in event.clusters}
    names = [tag.name for tag in event.tags] + [cluster.tag_name for cluster in event.clusters]
    names += [tag.name for attribute, _ in event.members() for tag in attribute.tags]
    seen = set()
    for name in names:
        technique = _TECHNIQUE.fullmatch(name)
        if technique and technique["id"] not in seen:
            seen.add(technique["id"])
            yield Procedure(
                pattern_id=technique["id"],
                tactic=tactics.get(name),
                occur_date=_date(event),
                description=f"{technique['name']} (named by the MISP event)",
            )


def _tactic(phases: tuple[str, ...]) -> str | None:
    """`mitre-attack:execution` → `execution`; only where the cluster belongs to exactly one tactic."""
    found = {phase.rpartition(":")[2] for phase in phases if phase.startswith("mitre-attack:")}
    return found.pop() if len(found) == 1 else None
