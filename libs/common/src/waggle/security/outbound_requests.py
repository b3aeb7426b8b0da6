"""The outbound guard for libraries built on `requests` (PyMISP)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter

from waggle.security.outbound import OutboundGuard


class GuardedAdapter(HTTPAdapter):
    """Mount on `https://` and `http://`: connects to the checked address, verifies the certificate for the host's name."""

    def __init__(self, guard: OutboundGuard, **options: Any) -> None:
        self._guard = guard
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._guard.resolve(host, port)[0]
        literal = f"[{address}]" if ":" in address else address
        original = request.url
        request.headers["Host"] = parts.netloc.rpartition("@")[2]
        request.url = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path, parts.query, parts.fragment))
        try:
            response = super().send(request, *args, **kwargs)
        finally:
            request.url = original
        response.url = str(original)
        return response

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        if host_params["scheme"] == "https":
            name = urlsplit(f"//{request.headers['Host']}").hostname
            pool_kwargs = {**pool_kwargs, "assert_hostname": name, "server_hostname": name}
        return host_params, pool_kwargs
