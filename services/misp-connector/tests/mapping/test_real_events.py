"""The mapping over published events of real reporters. The data is not part of this repository: see the skip message."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from misp_samples import options

from misp_connector.mapping.alert import map_event
from misp_connector.mapping.changes import KnownAttribute, change_set
from misp_connector.mapping.event import Event, parse_event
from misp_connector.mapping.model import Mapped

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("WAGGLE_SHARED") or ROOT.parent / "shared")
FOLDER = SHARED / "data" / "misp-events"
FILES = sorted(FOLDER.glob("*.json"))

pytestmark = pytest.mark.skipif(
    not FILES, reason=f"no real MISP events at {FOLDER}; WAGGLE_SHARED may name the folder that holds data/misp-events"
)


def read(name: str) -> Event:
    return parse_event(json.loads((FOLDER / name).read_text()))


def mapped(event: Event) -> Mapped:
    return map_event(event, options=options(feed=event.id is None), files={})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_attributes_in_are_observables_out_or_have_a_reason(file: Path) -> None:
    event = read(file.name)
    result = mapped(event)
    assert [o.attribute_uuid for o in result.outcomes] == [attribute.uuid for attribute, _ in event.members()]
    assert all(bool(o.observables) != bool(o.reason) for o in result.outcomes)
    named = {uuid for observable in result.observables for uuid in observable.origin.attribute_uuids}
    assert named == {o.attribute_uuid for o in result.outcomes if o.observables}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_mapping_twice_changes_nothing(file: Path) -> None:
    first, second = mapped(read(file.name)), mapped(read(file.name))
    known = {o.attribute_uuid: KnownAttribute(o.hash, removed=False) for o in first.outcomes}
    assert first.fingerprint() == second.fingerprint()
    assert not change_set(known, second.outcomes)


def test_four_publications_of_one_event_give_exactly_their_differences() -> None:
    """Between them the reporter edited tags, and attributes only where the raw JSON differs too."""
    known: dict[str, KnownAttribute] = {}
    before: dict[str, dict[str, Any]] = {}
    for version in ("v1", "v2", "v3", "v4"):
        event = read(f"certfr-dridex.{version}.json")
        result = mapped(event)
        changes = change_set(known, result.outcomes)
        now = {
            a.uuid: {
                "value": a.value,
                "type": a.type,
                "comment": a.comment,
                "ids": a.to_ids,
                "tags": a.tags,
                "category": a.category,
            }
            for a, _ in event.members()
        }
        assert set(changes.added) == set(now) - set(before)
        assert set(changes.gone) == set(before) - set(now)
        assert set(changes.changed) <= {uuid for uuid in now if uuid in before and now[uuid] != before[uuid]}
        known = {o.attribute_uuid: KnownAttribute(o.hash, removed=False) for o in result.outcomes}
        before = now


def test_publications_of_one_event_are_dated_in_their_order() -> None:
    dates = [mapped(read(f"certfr-dridex.v{n}.json")).alert.last_sync_date for n in (1, 2, 3, 4)]
    assert dates == sorted(dates)


def test_markings_of_a_retagged_event_are_the_strictest_of_all() -> None:
    assert [mapped(read(f"certfr-dridex.v{n}.json")).alert.tlp for n in (1, 2, 3, 4)] == ["CLEAR"] * 4
