"""Requests byte for byte as programs that cannot be run here send them, over a plain socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """`interim`: the status lines that came before the answer (100 Continue)."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _head(stream: Any) -> tuple[str, dict[str, str]]:
    first = stream.readline().decode().strip()
    headers = {}
    while line := stream.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return first, headers


def _chunks(body: bytes, size: int = 4096) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def send(url: str, head: str, body: bytes = b"", *, expects: bool = False, seconds: float = 60) -> Answer:
    """`head` has the lines in their order, without Content-Length. `expects`: the body follows only after 100 Continue."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=seconds) as connection:
        chunked = "Transfer-Encoding: chunked" in head
        length = f"Content-Length: {len(body)}\n" if body and not chunked else ""
        connection.sendall(f"{head.strip()}\n{length}\n".replace("\n", "\r\n").encode())
        connection.sendall(b"" if expects else _chunks(body) if chunked else body)
        stream = connection.makefile("rb")
        interim = []
        first, headers = _head(stream)
        while " 100 " in first:
            interim.append(first)
            connection.sendall(body if expects else b"")
            first, headers = _head(stream)
        if headers.get("transfer-encoding") == "chunked":
            content = b""
            while size := int(stream.readline(), 16):
                content += stream.read(size)
                stream.readline()
        else:
            content = stream.read(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), headers, content, interim)
