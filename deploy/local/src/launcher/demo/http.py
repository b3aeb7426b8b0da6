"""A small JSON client for the story: the standard library, bearer keys, plain errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class Answer:
    """A status and a body; JSON is parsed where it is JSON."""

    def __init__(self, status: int, raw: bytes) -> None:
        self.status = status
        self.text = raw.decode(errors="replace")
        try:
            self.json: Any = json.loads(raw) if raw else None
        except ValueError:
            self.json = None


class Api:
    """One service, one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._key = key

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer, whatever its status."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())

    def get(self, path: str) -> Any:
        return self.expect("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.expect("POST", path, {} if body is None else body)

    def expect(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer under 400; anything else raises with what came back."""
        answer = self.call(method, path, body)
        if answer.status >= 400:
            raise AssertionError(f"{method} {path} answered {answer.status}: {answer.text[:500]}")
        return answer.json if answer.json is not None else answer.text

    def query(self, *steps: dict[str, Any]) -> list[Any]:
        """hive's query language; a list of results."""
        return list(self.post("/api/v1/query", {"query": list(steps)}))
