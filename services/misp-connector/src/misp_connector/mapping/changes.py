"""What a new publication changes: the attributes known of an event against those it has now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from misp_connector.mapping.model import Outcome, Reason


@dataclass(frozen=True, slots=True)
class KnownAttribute:
    """What was sent for an attribute the last time."""

    hash: str
    removed: bool


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Attribute uuids, in the order of the event; `removed` in the order of their first appearance.

    `removed` holds all that ever went and did not come back, not the latest alone: a receiver that missed one message
    is right again after the next.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.gone)


def change_set(known: Mapping[str, KnownAttribute], outcomes: Iterable[Outcome]) -> ChangeSet:
    """Deletions are a set difference: this catches hard deletes, and soft ones whose type and value MISP overwrote."""
    present = {outcome.attribute_uuid: outcome for outcome in outcomes if outcome.reason is not Reason.DELETED}
    return ChangeSet(
        added=tuple(uuid for uuid in present if uuid not in known or known[uuid].removed),
        changed=tuple(
            uuid
            for uuid, outcome in present.items()
            if uuid in known and not known[uuid].removed and known[uuid].hash != outcome.hash
        ),
        gone=tuple(uuid for uuid, before in known.items() if uuid not in present and not before.removed),
        removed=tuple(uuid for uuid in known if uuid not in present),
    )
