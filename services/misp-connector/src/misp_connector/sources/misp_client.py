"""PyMISP behind the outbound guard, with bounded answers and its dictionaries of errors turned into exceptions."""

from __future__ import annotations

import logging
from typing import Any

import requests
from pymisp import PyMISP
from pymisp.exceptions import MISPServerError, PyMISPError

from misp_connector.instances.config import Options
from misp_connector.sources.source import (
    EventGone,
    EventUnreadable,
    KeyRefused,
    Refused,
    SlowDown,
    SourceDown,
    SourceError,
)
from waggle.security.outbound import OutboundGuard, OutboundRefused
from waggle.security.outbound_requests import GuardedAdapter

RATE_WINDOW = 900.0
"""Seconds of MISP's restSearch limit, for an answer that does not say how long to wait."""

_CHUNK = 1 << 16

# PyMISP logs the body of requests that fail, which may hold whole events, at CRITICAL
logging.getLogger("pymisp").setLevel(logging.CRITICAL + 1)


class AnswerBroken(requests.RequestException):
    """The answer began well and then broke off, or is over the limit; the rest of it was not read."""


class BoundedAdapter(GuardedAdapter):
    """Reads at most `limit` bytes of an answer, counted after decompression. Remembers when to come back after a 429."""

    def __init__(self, guard: OutboundGuard, *, limit: int) -> None:
        self._limit = limit
        self.retry_after = RATE_WINDOW
        super().__init__(guard)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **{**kwargs, "stream": True})
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > self._limit:
                    response.close()
                    raise AnswerBroken(f"the answer is over {self._limit} bytes", request=request)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise AnswerBroken(f"the answer broke off: {error}", request=request) from None
        response._content = bytes(body)
        if response.status_code == 429:
            self.retry_after = _seconds(response.headers)
        return response


class _Guarded(PyMISP):
    """PyMISP takes an adapter for https:// alone, and its constructor already calls the server: so the guard goes in
    with the first request."""

    def __init__(self, adapter: BoundedAdapter, **arguments: Any) -> None:
        self._adapter: BoundedAdapter | None = adapter
        super().__init__(**arguments)

    def _prepare_request(self, *args: Any, **kwargs: Any) -> requests.Response:
        if self._adapter is not None:
            session: requests.Session = vars(self)["_PyMISP__session"]
            session.trust_env = False  # an environment proxy would connect in our place, past the guard
            session.mount("http://", self._adapter)
            session.mount("https://", self._adapter)
            self._adapter = None
        return super()._prepare_request(*args, **kwargs)


class MispClient:
    """One MISP user on one server. Connects with the first call and keeps the connection; not for several threads at once."""

    def __init__(self, *, url: str, key: str, options: Options, guard: OutboundGuard) -> None:
        self._url, self._key, self._options, self._guard = url, key, options, guard
        # base64 makes a third more of an attachment
        limit = max(options.max_size, options.max_attachment_size * 4 // 3) + (1 << 20)
        self._adapter = BoundedAdapter(guard, limit=limit)
        self._misp: PyMISP | None = None

    def connect(self) -> PyMISP:
        """The connected client. Its constructor sends three requests, so it is made once (contract misp §8.4)."""
        if self._misp is None:
            options = self._options
            try:
                if options.proxy:
                    self._guard.check_url(options.proxy)
                self._misp = _Guarded(
                    self._adapter,
                    url=self._url,
                    key=self._key,
                    ssl=str(options.ca_file) if options.verify_tls and options.ca_file else options.verify_tls,
                    cert=str(options.client_cert) if options.client_cert else None,
                    timeout=(options.connect_timeout, options.read_timeout),
                    proxies={"http": options.proxy, "https": options.proxy} if options.proxy else None,
                    tool="waggle-misp-connector",
                )
            except PyMISPError as error:
                raise self._constructor_error(error) from None
            except (requests.RequestException, OutboundRefused) as error:
                raise SourceDown(str(error)) from None
        return self._misp

    def call(self, method: str, **arguments: Any) -> Any:
        """The answer of a PyMISP method.

        Raises SourceDown (no connection), KeyRefused (401, 403, 405), SlowDown (429), EventGone (404) or EventUnreadable
        (5xx, no JSON, broken off, any other refusal).
        """
        misp = self.connect()
        try:
            answer = getattr(misp, method)(**arguments)
        except MISPServerError as error:
            raise EventUnreadable(_first_line(error)) from None
        except PyMISPError as error:
            raise EventUnreadable(f"the answer is no JSON: {_first_line(error)}") from None
        except (AnswerBroken, requests.ReadTimeout, requests.exceptions.ContentDecodingError) as error:
            raise EventUnreadable(f"{type(error).__name__}: {error}") from None
        except (requests.RequestException, OutboundRefused) as error:
            raise SourceDown(f"{type(error).__name__}: {error}") from None
        if isinstance(answer, dict) and "errors" in answer:
            raise self._refusal(answer["errors"])
        return answer

    def send(self, path: str, body: object = None) -> Any:
        """The answer of a path; POST where there is a body. For writing, where PyMISP's own methods guess too much: they send
        a proposal when an edit is refused.

        Raises Refused (any 4xx but those that follow), EventGone (404), KeyRefused (401, or 403 for the key itself), SlowDown
        (429), SourceDown (everything that may be over later).
        """
        misp = self.connect()
        try:
            answer = misp.direct_call(path, body)  # type: ignore[arg-type]  # lists pass as well
        except PyMISPError as error:
            raise SourceDown(_first_line(error)) from None
        except (requests.RequestException, OutboundRefused) as error:
            raise SourceDown(f"{type(error).__name__}: {error}") from None
        if isinstance(answer, str):
            raise SourceDown("the answer is no JSON")
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if isinstance(errors, tuple) and len(errors) == 2:
            raise self._denial(*errors)
        return answer

    def _denial(self, status: int, body: object) -> SourceError:
        message = str(body.get("message", body) if isinstance(body, dict) else body)[:500]
        if status == 403 and not message.startswith("Authentication failed"):
            return Refused(message, status, body)
        if status in (401, 403, 404, 429):
            return self._refusal((status, body))
        return Refused(message, status, body)

    def _refusal(self, errors: object) -> SourceError:
        """PyMISP gives a 4xx back as `{"errors": (status, body)}` instead of raising."""
        status, body = errors if isinstance(errors, tuple) and len(errors) == 2 else (0, errors)
        message = body.get("message", body) if isinstance(body, dict) else body
        text = f"{status}: {message}"[:500]
        if status in (401, 403, 405):
            return KeyRefused(text)
        if status == 429:
            return SlowDown(text, self._adapter.retry_after)
        return EventGone(text) if status == 404 else EventUnreadable(text)

    def _constructor_error(self, error: PyMISPError) -> SourceError:
        text = _first_line(error)
        refused = any(f"({status}" in text or f"code {status}" in text for status in (401, 403))
        return KeyRefused(text) if refused else SourceDown(text)

    def close(self) -> None:
        self._adapter.close()
        self._misp = None


def _first_line(error: Exception) -> str:
    """PyMISP's messages carry the whole answer behind the first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


def _seconds(headers: Any) -> float:
    for name in ("X-Rate-Limit-Reset", "Retry-After"):
        value = str(headers.get(name, ""))
        if value.isdigit():
            return min(float(value), 3600.0)
    return RATE_WINDOW
