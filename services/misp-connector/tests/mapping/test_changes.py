from __future__ import annotations

from typing import Any

from misp_samples import attribute, event, options, uuid_of

from misp_connector.mapping.alert import map_event
from misp_connector.mapping.changes import KnownAttribute, change_set
from misp_connector.mapping.event import parse_event
from misp_connector.mapping.model import Outcome


def outcomes(*attributes: dict[str, Any]) -> tuple[Outcome, ...]:
    return map_event(parse_event(event(*attributes)), options=options(), files={}).outcomes


def known(*attributes: dict[str, Any]) -> dict[str, KnownAttribute]:
    return {outcome.attribute_uuid: KnownAttribute(outcome.hash, removed=False) for outcome in outcomes(*attributes)}


A, B, C = (attribute(n, "domain", f"{n}.example") for n in (1, 2, 3))


def test_the_same_event_is_no_change() -> None:
    assert not change_set(known(A, B), outcomes(A, B))


def test_an_edit_of_the_timestamp_alone_is_no_change() -> None:
    assert not change_set(known(A), outcomes(A | {"timestamp": "1800000000"}))


def test_added_changed_and_removed_attributes_are_told_apart() -> None:
    changes = change_set(known(A, B), outcomes(A | {"comment": "new"}, C))
    assert (changes.added, changes.changed, changes.gone) == ((uuid_of(3),), (uuid_of(1),), (uuid_of(2),))


def test_soft_and_hard_deletion_are_the_same() -> None:
    soft = change_set(known(A, B), outcomes(A, {**B, "deleted": True, "type": "comment", "value": "deleted"}))
    hard = change_set(known(A, B), outcomes(A))
    assert soft == hard and soft.removed == (uuid_of(2),)


def test_what_went_earlier_stays_removed_without_being_a_change() -> None:
    changes = change_set({**known(A), uuid_of(2): KnownAttribute("x", removed=True)}, outcomes(A))
    assert not changes and changes.removed == (uuid_of(2),)


def test_an_attribute_that_comes_back_is_added_again() -> None:
    changes = change_set({uuid_of(1): KnownAttribute("x", removed=True)}, outcomes(A))
    assert changes.added == (uuid_of(1),) and changes.removed == ()
