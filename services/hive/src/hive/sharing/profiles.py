"""What a link between two organisations shares by itself (hive-v1 §5.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LinkType = Literal["default", "supervised", "notify"]
Rule = Literal["manual", "autoShare"]
DEFAULT_PROFILE = "analyst"


@dataclass(frozen=True, slots=True)
class SharingProfile:
    """`auto_share`: new cases are shared with the linked organisation as soon as they are made."""

    name: LinkType
    description: str
    auto_share: bool
    permission_profile: str
    task_rule: Rule
    observable_rule: Rule


SHARING_PROFILES: dict[str, SharingProfile] = {
    one.name: one
    for one in (
        SharingProfile("default", "Cases are shared one by one", False, DEFAULT_PROFILE, "manual", "manual"),
        SharingProfile(
            "supervised", "New cases are shared with all tasks and observables", True, DEFAULT_PROFILE, "autoShare", "autoShare"
        ),
        SharingProfile("notify", "New cases are shared for reading", True, "read-only", "manual", "manual"),
    )
}
