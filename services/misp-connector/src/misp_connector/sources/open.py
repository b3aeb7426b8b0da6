"""The source of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from misp_connector.instances.config import folder_allowed, is_web_address
from misp_connector.instances.model import Instance
from misp_connector.sources.feed import FeedSource, open_place
from misp_connector.sources.misp_client import MispClient
from misp_connector.sources.server import ServerSource
from misp_connector.sources.source import KeyRefused, Source
from waggle.security.outbound import OutboundGuard


def open_source(instance: Instance, *, key: str | None, guard: OutboundGuard, folders: Sequence[Path]) -> Source:
    """`guard` and `folders` bound the targets set over REST; targets the operator named are trusted. Connects lazily.

    Raises KeyRefused for a folder that is no longer given free.
    """
    checked = guard.trusting() if instance.trusted else guard
    if instance.kind == "feed":
        if not (instance.trusted or is_web_address(instance.url) or folder_allowed(instance.url, folders)):
            raise KeyRefused(f"{instance.url} does not lie below MISP_CONNECTOR_FEED_FOLDERS")
        return FeedSource(open_place(instance.url, options=instance.options, guard=checked), options=instance.options)
    return ServerSource(open_client(instance, key=key, guard=guard), options=instance.options, purpose=instance.purpose)


def open_client(instance: Instance, *, key: str | None, guard: OutboundGuard) -> MispClient:
    """A MISP user on a server. Connects lazily."""
    if key is None:
        raise ValueError(f"the server {instance.name} has no key")
    checked = guard.trusting() if instance.trusted else guard
    return MispClient(url=instance.url, key=key, options=instance.options, guard=checked)
