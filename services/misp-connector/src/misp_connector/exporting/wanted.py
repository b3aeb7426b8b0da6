"""A case → the event it should be in MISP (contract misp §4.3). Pure: no network, no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

from misp_connector.exporting import provenance
from misp_connector.exporting.grouping import group_of, member_of
from misp_connector.exporting.normal import normal
from misp_connector.exporting.plan import WantedAttribute, WantedEvent, WantedObject
from misp_connector.exporting.provenance import Source, detects, known_values, partners, sources_of
from misp_connector.exporting.types import PAYLOAD, attribute_type, template_of, valid_pair
from misp_connector.instances.config import Options
from waggle.contracts.messages.misp import ExportedCase, ExportObservable

NO_EXPORT = "misp:no-export"
"""Tag of an observable that never leaves."""

_ANALYSIS = {"New": "0", "InProgress": "1", "Closed": "2"}
_OWN_ORGANISATION = "0"
_SHARING_GROUP = 4
_MEBIBYTE = 1 << 20


@dataclass(slots=True)
class _Collected:
    """Attributes by what makes them the same: MISP refuses a second one of equal type, category and value."""

    loose: dict[tuple[str, str, str], WantedAttribute] = field(default_factory=dict)
    objects: dict[str, dict[str, WantedAttribute]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, one: WantedAttribute) -> None:
        key = (one.type, one.category, normal(one.type, one.value))
        self.loose[key] = _united(self.loose[key], one) if key in self.loose else one

    def add_member(self, holder: str, name: str, one: WantedAttribute) -> None:
        members = self.objects.setdefault(holder, {})
        members[one.uuid] = _united(members[one.uuid], one) if one.uuid in members else one
        self.names[holder] = name


def wanted_event(case: ExportedCase, *, options: Options, event_uuid: str, extends: str | None = None) -> WantedEvent:
    """`event_uuid`: the event that will hold it, a foreign one where the case came from it. `extends`: the event it adds to."""
    found = _Collected()
    leaving = list(_leaving(case, options, found.skipped))
    known = known_values(leaving)
    for observable in leaving:
        _collect(observable, case, options, event_uuid, known, found)
    if options.export_case_link:
        found.add(_link(case, event_uuid))
    return WantedEvent(
        uuid=event_uuid,
        head=_head(case, options, extends),
        tags=_tags(case, options),
        attributes=tuple(found.loose.values()),
        objects=tuple(_objects(found)),
        skipped=found.skipped,
    )


def held_back(case: ExportedCase) -> dict[str, str]:
    """What may not leave, by observable, with the reason: hive's own word, and once more what is RED or marked."""
    held = {one.observable_id: one.reason for one in case.held}
    for observable in case.observables:
        if observable.tlp == "RED":
            held[observable.id] = "TLP:RED"
        elif NO_EXPORT in observable.tags:
            held[observable.id] = f"tagged {NO_EXPORT}"
    return held


def _leaving(case: ExportedCase, options: Options, skipped: dict[str, str]) -> Iterator[ExportObservable]:
    held = held_back(case)
    for observable in case.observables:
        if observable.id in held:
            continue
        if not observable.ioc and options.export_scope == "iocs":
            skipped[observable.id] = "not marked as IOC"
        elif observable.file and observable.file.size > options.max_attachment_size:
            limit = options.max_attachment_size / _MEBIBYTE
            skipped[observable.id] = f"a file of {observable.file.size} bytes is over the limit of {limit:.1f} MiB"
        else:
            yield observable


def _collect(
    observable: ExportObservable,
    case: ExportedCase,
    options: Options,
    event: str,
    known: provenance.Known,
    found: _Collected,
) -> None:
    """Back as it was where it came from MISP; else what its type makes of it."""
    returned = False
    for source in sources_of(observable):
        together = partners(source, observable, known)
        if together is None:
            continue
        returned = True
        one = _returned(source, together, observable, case, options, event)
        if source.object_uuid and source.relation and template_of(source.template):
            holder = source.object_uuid if source.event == event else _name(case, event, "object", source.object_uuid)
            found.add_member(holder, source.template, one)
        else:
            found.add(replace(one, relation=None))
    if returned or _in_its_sample(observable, case):
        return
    group = group_of(observable.tags)
    if observable.file is not None:
        _file(observable, case, options, event, found)
    elif group and (place := member_of(group[0], observable.data_type, observable.data or "")):
        relation, kind = place
        category = PAYLOAD if valid_pair(PAYLOAD, kind) else "Network activity"
        one = _made(observable, case, options, event, kind=kind, category=category)
        holder = _name(case, event, "object", f"{group[0]}:{group[1]}")
        found.add_member(holder, group[0], replace(one, relation=relation, uuid=_name(case, holder, relation, one.value)))
    else:
        category, kind = attribute_type(observable.data_type, observable.data or "")
        found.add(_made(observable, case, options, event, kind=kind, category=category))


def _in_its_sample(observable: ExportObservable, case: ExportedCase) -> bool:
    """Whether it is the hash half of a malware sample whose file leaves as well."""
    samples = {source.uuid for source in sources_of(observable) if source.is_file}
    return bool(samples) and any(
        other.file is not None and samples & {source.uuid for source in sources_of(other)}
        for other in case.observables
        if other.id not in held_back(case)
    )


def _returned(
    source: Source,
    together: tuple[ExportObservable, ...],
    observable: ExportObservable,
    case: ExportedCase,
    options: Options,
    event: str,
) -> WantedAttribute:
    same_event = source.event == event
    place = source.object_uuid or ""
    plain = len(together) == 1 and not place and source.value == observable.data
    made = (
        _name(case, event, observable.data_type, observable.data or "")
        if plain
        else _name(case, event, place, f"{source.type}|{source.category}|{source.value}")
    )
    return WantedAttribute(
        uuid=source.uuid if same_event else made,
        type=source.type,
        category=source.category,
        value=source.value,
        to_ids=detects(source, together),
        comment=source.comment,
        observables=tuple(one.id for one in together),
        tags=_attribute_tags(together, case, options),
        first_seen=source.first_seen,
        last_seen=source.last_seen,
        relation=source.relation or None,
        file=observable.file,
        packed=source.type == "malware-sample",
        foreign=same_event,
        sighted_at=_sighted(together, options),
    )


def _made(
    observable: ExportObservable, case: ExportedCase, options: Options, event: str, *, kind: str, category: str
) -> WantedAttribute:
    return WantedAttribute(
        uuid=_name(case, event, observable.data_type, observable.data or ""),
        type=kind,
        category=category,
        value=observable.data or "",
        to_ids=observable.ioc,
        comment=observable.message or "",
        observables=(observable.id,),
        tags=_attribute_tags((observable,), case, options),
        first_seen=provenance.moment(observable.first_seen),
        sighted_at=_sighted((observable,), options),
    )


def _file(observable: ExportObservable, case: ExportedCase, options: Options, event: str, found: _Collected) -> None:
    """A sample, or an attachment where the file is said to be harmless; as a file object with its hashes, if set so."""
    file = observable.file
    assert file is not None
    harmless = any(tag.casefold() in ("benign", "harmless") for tag in observable.tags)
    kind, category = ("attachment", "External analysis") if harmless else ("malware-sample", PAYLOAD)
    content = replace(
        _made(observable, case, options, event, kind=kind, category=category),
        uuid=_name(case, event, "file", file.sha256),
        value=file.name if harmless else f"{file.name}|{file.md5}",
        to_ids=observable.ioc and not harmless,
        file=file,
    )
    template = template_of("file")
    if not options.export_objects or template is None:
        found.add(content)
        return
    holder = _name(case, event, "object", f"file:{file.sha256}")
    found.add_member(holder, "file", replace(content, relation=kind))
    for relation, category, value in (
        ("filename", PAYLOAD, file.name),
        ("md5", PAYLOAD, file.md5),
        ("sha1", PAYLOAD, file.sha1),
        ("sha256", PAYLOAD, file.sha256),
        ("size-in-bytes", "Other", str(file.size)),
    ):
        one = replace(
            content,
            uuid=_name(case, holder, relation, value),
            type=relation,
            category=category,
            value=value,
            to_ids=content.to_ids and relation != "size-in-bytes",
            comment="",
            relation=relation,
            file=None,
            sighted_at=None,
        )
        found.add_member(holder, "file", one)


def _link(case: ExportedCase, event: str) -> WantedAttribute:
    return WantedAttribute(
        uuid=_name(case, event, "case", case.link), type="link", category="Internal reference", value=case.link, to_ids=False,
        comment=f"case #{case.number}", observables=(),
    )  # fmt: skip


def _objects(found: _Collected) -> Iterator[WantedObject]:
    for uuid, members in found.objects.items():
        template = template_of(found.names[uuid])
        assert template is not None  # nothing else is collected as an object
        yield WantedObject(uuid=uuid, name=found.names[uuid], attributes=tuple(members.values()), template=template)


def _head(case: ExportedCase, options: Options, extends: str | None) -> dict[str, str]:
    head = {
        "info": case.title,
        "date": datetime.fromtimestamp(case.start_date / 1000, UTC).strftime("%Y-%m-%d"),
        "threat_level_id": str(max(1, 4 - case.severity)),
        "analysis": _ANALYSIS.get(case.stage, "0"),
        "distribution": str(options.export_distribution),
    }
    if case.tlp in ("RED", "AMBER+STRICT"):
        head["distribution"] = _OWN_ORGANISATION  # neither may leave the organisation
    elif options.export_distribution == _SHARING_GROUP:
        head["sharing_group_id"] = str(options.export_sharing_group)
    if extends:
        head["extends_uuid"] = extends
    return head


def _tags(case: ExportedCase, options: Options) -> tuple[str, ...]:
    galaxies = [f'misp-galaxy:mitre-attack-pattern="{one.name} - {one.pattern_id}"' for one in case.techniques]
    own = [tag for tag in case.tags if not _is_machinery(tag)] if options.export_case_tags else []
    return tuple(dict.fromkeys([tlp_tag(case.tlp), f"PAP:{case.pap}", *galaxies, *own]))


def _attribute_tags(observables: Iterable[ExportObservable], case: ExportedCase, options: Options) -> tuple[str, ...]:
    """The TLP only where it is not the event's; the observable's tags if set so."""
    tags: list[str] = []
    for observable in observables:
        if observable.tlp != case.tlp:
            tags.append(tlp_tag(observable.tlp))
        if options.export_observable_tags:
            tags += [tag for tag in observable.tags if not _is_machinery(tag) and tag not in options.observable_tags]
    return tuple(dict.fromkeys(tags))


def _sighted(observables: Iterable[ExportObservable], options: Options) -> int | None:
    moments = [one.sighted_at // 1000 for one in observables if one.sighted_at is not None]
    return max(moments, default=None) if options.export_sightings else None


def tlp_tag(word: str) -> str:
    """As MISP spells it."""
    return f"tlp:{word.lower()}"


def _is_machinery(tag: str) -> bool:
    """Tags that the import makes, and markings, which are fields here."""
    return tag.casefold().startswith(("misp:", "tlp:", "pap:", "src:", "misp.", "source:"))


def _name(case: ExportedCase, place: str, kind: str, value: str) -> str:
    """The same for every retry and every instance, and never that of another hive's."""
    return str(uuid5(UUID(str(case.namespace)), f"{place}|{kind}|{value}"))


def _united(first: WantedAttribute, second: WantedAttribute) -> WantedAttribute:
    return replace(
        first,
        observables=tuple(dict.fromkeys(first.observables + second.observables)),
        tags=tuple(dict.fromkeys(first.tags + second.tags)),
        to_ids=first.to_ids or second.to_ids,
    )
