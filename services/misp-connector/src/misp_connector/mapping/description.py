"""The alert's description: what the reporter said about the event that has no field of its own. Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from misp_connector.mapping.event import Event
from misp_connector.mapping.model import MappingOptions
from misp_connector.mapping.observables import is_context

CONTEXT_LINES = 100
CONTEXT_LENGTH = 500

_THREAT_LEVELS = {1: "high", 2: "medium", 3: "low", 4: "undefined"}
_ANALYSIS = {0: "initial", 1: "ongoing", 2: "completed"}
_DISTRIBUTIONS = {
    0: "own organisation",
    1: "this community",
    2: "connected communities",
    3: "all communities",
    4: "sharing group",
}
_MARKUP = re.compile(r"([\\`*_\[\]<>!|#~])")


def describe(event: Event, *, options: MappingOptions, link: str | None) -> str:
    """Facts as a list, galaxy clusters, and the context attributes that made no observable.

    Everything that comes from the event is escaped: a reporter's text must not become a link or an image here.
    """
    sections = ["\n".join(_facts(event, options, link))]
    clusters = [f"- {plain(cluster.galaxy)}: {plain(cluster.value)}" for cluster in event.clusters]
    if clusters:
        sections.append("\n".join(["#### Galaxies", "", *clusters]))
    context = list(_context(event)) if options.context_attributes == "describe" else []
    if context:
        more = [f"- and {len(context) - CONTEXT_LINES} more"] if len(context) > CONTEXT_LINES else []
        sections.append("\n".join(["#### Context", "", *context[:CONTEXT_LINES], *more]))
    return "\n\n".join(sections)


def plain(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _facts(event: Event, options: MappingOptions, link: str | None) -> Iterator[str]:
    where = "feed" if options.feed else "server"
    yield f"Imported from MISP {where} {plain(options.instance)}."
    yield ""
    if link:
        yield f"- Event: <{link}>"
    yield f"- UUID: `{event.uuid}`"
    yield f"- Date: {plain(event.date)}"
    yield f"- Creator: {plain(event.creator)}"
    yield f"- Threat level: {_THREAT_LEVELS[event.threat_level]}"
    yield f"- Analysis: {_ANALYSIS.get(event.analysis, 'unknown')}"
    if event.distribution is not None:
        yield f"- Distribution: {_DISTRIBUTIONS.get(event.distribution, 'unknown')}"
    yield f"- Attributes: {sum(1 for _ in event.members())}, in {len(event.objects)} objects and outside"
    if event.extends_uuid:
        yield f"- Extends: `{event.extends_uuid}`"
    if any(event.reports):
        yield f"- Reports: {plain(', '.join(name for name in event.reports if name))}"


def _context(event: Event) -> Iterator[str]:
    for attribute, holder in event.members():
        if attribute.deleted or not is_context(attribute) or not attribute.value.strip():
            continue
        place = f"{holder.name}/{attribute.object_relation}" if holder else attribute.type
        value = attribute.value if len(attribute.value) <= CONTEXT_LENGTH else f"{attribute.value[:CONTEXT_LENGTH]}…"
        comment = f" ({plain(attribute.comment)})" if attribute.comment else ""
        yield f"- {plain(place)}: {plain(value)}{comment}"
