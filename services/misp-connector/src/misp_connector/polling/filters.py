"""Which events of an instance are imported: by creator, event tags, age and size (contract misp §1.2)."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from misp_connector.instances.config import Options
from misp_connector.sources.source import Head


def reason_to_skip(head: Head, *, options: Options, now: int) -> str | None:
    """Why the event is not imported; None when it is. `now` in seconds."""
    if options.max_age is not None and head.publish_timestamp < now - options.max_age:
        return "older than max_age"
    creators = {head.creator.casefold(), head.creator_uuid.casefold()}
    if any(org.casefold() in creators for org in options.exclude_orgs):
        return f"creator {head.creator} is excluded"
    if options.include_orgs and not any(org.casefold() in creators for org in options.include_orgs):
        return f"creator {head.creator} is not included"
    excluded = _matching(head.tags, options.exclude_tags)
    if excluded is not None:
        return f"tag {excluded} is excluded"
    if options.include_tags and _matching(head.tags, options.include_tags) is None:
        return "none of its tags is included"
    if head.attribute_count is not None:
        return too_many_attributes(head.attribute_count, options=options)
    return None


def too_many_attributes(count: int, *, options: Options) -> str | None:
    if options.max_attributes is not None and count > options.max_attributes:
        return f"{count} attributes, more than {options.max_attributes}"
    return None


def _matching(tags: Iterable[str], patterns: Iterable[str]) -> str | None:
    wanted = tuple(patterns)
    return next((tag for tag in tags if any(tag == p or ("*" in p and fnmatchcase(tag, p)) for p in wanted)), None)
