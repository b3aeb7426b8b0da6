"""`/metrics`: the process' counters, and the depth of its queues as it is when Prometheus asks."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from typing import Annotated

from fastapi import FastAPI, Header, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from waggle.errors import Forbidden
from waggle.observability.queues import queue_gauges
from waggle.web.access import Public
from waggle.web.requests import client_address


def add_metrics(app: FastAPI, token: str | None) -> None:
    @app.get("/metrics", dependencies=[Public()], include_in_schema=False)
    async def metrics(request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        """Prometheus' text, for loopback or a caller with the metrics token (threats S35)."""
        given = authorization.removeprefix("Bearer ").encode()
        if not (_is_loopback(client_address(request)) or (token and hmac.compare_digest(given, token.encode()))):
            raise Forbidden("metrics are for loopback or a caller with the metrics token")
        text = generate_latest()
        keeper = getattr(request.app.state, "queue_keeper", None)  # see `waggle.web.queues.install`
        if keeper is not None:
            text += _text(await queue_gauges(keeper))
        return Response(text, media_type=CONTENT_TYPE_LATEST)


class _Read(Collector):
    """Metrics that are there already, as a collector."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _text(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(metrics))
    return generate_latest(registry)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
