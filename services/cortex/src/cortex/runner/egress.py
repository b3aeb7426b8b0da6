"""The way out for analyzers: an HTTP proxy in the runner (threats S09, S20).

A job sits in a network namespace without interfaces, where nothing but this proxy answers. It resolves names itself, so that what
was checked is what is connected to, and knows by the password in the proxy's URL which job asks. What the job may reach: the
hosts its flavor declares; without a declaration every public address; and what the operator allows besides.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from cortex.zygote.order import DIRECT, NO_NETWORK, PROXIED
from waggle.security.guard import OutboundGuard, OutboundRefused

log = logging.getLogger(__name__)
HEAD_LIMIT = 64 * 1024
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 30.0
CHUNK = 64 * 1024
MOST_NOTES = 20
LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Network:
    """What a job may reach. `hosts` None: whatever the guard lets through; `direct`: the machine's own network."""

    hosts: tuple[str, ...] | None = None
    direct: bool = False

    @classmethod
    def declared(cls, value: object) -> Network:
        """From a flavor's `network`: "none", a list of hosts (`api.example.org`, `.example.org` for all below it), or nothing."""
        if value == "none":
            return cls(hosts=())
        if isinstance(value, list):
            return cls(hosts=tuple(str(host).lower().rstrip(".") for host in value))
        return cls()

    def names(self, host: str) -> bool:
        """Whether a host may be asked for by this name."""
        if self.hosts is None:
            return True
        host = host.lower().rstrip(".")
        return any(
            host == known or (known.startswith(".") and (host.endswith(known) or host == known[1:])) for known in self.hosts
        )


@dataclass(slots=True)
class Pass:
    """A job's leave to use the proxy. `refused` is what it was not let to, for the operator."""

    network: Network
    upstream: dict[str, str]
    url: str | None = None
    refused: list[str] = field(default_factory=list)

    @property
    def mode(self) -> str:
        if self.network.direct:
            return DIRECT
        return NO_NETWORK if self.url is None else PROXIED

    def note(self, text: str) -> None:
        if len(self.refused) < MOST_NOTES and text not in self.refused:
            self.refused.append(text)


class _Answer(Exception):
    """The proxy's own answer to a request that it does not pass on."""

    def __init__(self, status: str, text: str, head: str = "") -> None:
        super().__init__(text)
        body = f"{text}\n".encode()
        lines = f"HTTP/1.1 {status}\r\n{head}Content-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.bytes = lines.encode() + body


class Egress:
    """`allow`: hosts, addresses and CIDRs that jobs may reach although they are not public."""

    def __init__(self, allow: Iterable[str]) -> None:
        self._guard = OutboundGuard(allow)
        self._passes: dict[str, Pass] = {}
        self._servers: list[asyncio.Server] = []
        self.port = 0

    async def start(self) -> None:
        """On a port of the machine's loopback, for jobs without a network namespace; in namespaces it has the same number."""
        server = await asyncio.start_server(self._serve, LOCALHOST, 0, limit=HEAD_LIMIT)
        self.port = server.sockets[0].getsockname()[1]
        self._servers.append(server)

    async def answer_on(self, listener: socket.socket) -> None:
        """Also on this listening socket, which may be in another network namespace."""
        self._servers.append(await asyncio.start_server(self._serve, sock=listener, limit=HEAD_LIMIT))

    async def close(self) -> None:
        for server in self._servers:
            server.close()

    async def listen(self, port: int) -> None:
        """Also on this port of every address of the machine, for containers; who has no pass is sent away."""
        self._servers.append(await asyncio.start_server(self._serve, None, port, limit=HEAD_LIMIT))

    def open(self, network: Network, upstream: dict[str, str], way_out: tuple[str, int] | None) -> Pass:
        """A job's pass. `upstream`: the proxies that the worker's configuration names, by scheme; `way_out`: see `Runner`."""
        given = Pass(network, upstream)
        if network.direct or network.hosts == () or way_out is None:
            return given
        token = secrets.token_hex(16)
        given.url = f"http://job:{token}@{way_out[0]}:{way_out[1]}"
        self._passes[token] = given
        return given

    def withdraw(self, given: Pass) -> None:
        if given.url is not None:
            del self._passes[given.url.partition("job:")[2].partition("@")[0]]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            outward = await self._open(reader)
        except _Answer as refusal:
            writer.write(refusal.bytes)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the job has gone away, or sends what is no request: nobody to answer
        else:
            remote_reader, remote_writer, greeting = outward
            writer.write(greeting)
            with contextlib.suppress(OSError):
                await _splice(reader, writer, remote_reader, remote_writer)
            remote_writer.close()
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def _open(self, reader: asyncio.StreamReader) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """The connection that a request asks for, with what has to be sent to the job first."""
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        target, _, version = rest.rpartition(" ")
        headers = [line for line in lines if line]
        given = self._pass_of(headers)
        tunnel = method == "CONNECT"
        host, port, path = _target(target, tunnel=tunnel)
        if not given.network.names(host):
            given.note(f"{host}:{port} is not among the hosts that the flavor declares")
            raise _Answer("403 Forbidden", f"{host} is not among the hosts that this analyzer declares (network)")
        kept = [line for line in headers if not line.lower().startswith(("proxy-", "connection:"))]
        scheme = "https" if tunnel else "http"
        if upstream := given.upstream.get(scheme):
            return await self._through(given, upstream, f"{method} {target} {version}", kept, tunnel=tunnel)
        remote_reader, remote_writer = await self._connect(given, host, port)
        if tunnel:
            return remote_reader, remote_writer, b"HTTP/1.1 200 Connection established\r\n\r\n"
        remote_writer.write("\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""]).encode("latin-1"))
        return remote_reader, remote_writer, b""

    def _pass_of(self, headers: list[str]) -> Pass:
        for line in headers:
            name, _, value = line.partition(":")
            if name.lower() == "proxy-authorization":
                with contextlib.suppress(binascii.Error, ValueError):
                    token = base64.b64decode(value.strip().removeprefix("Basic ")).decode().partition(":")[2]
                    if token in self._passes:
                        return self._passes[token]
        raise _Answer("407 Proxy Authentication Required", "no pass", 'Proxy-Authenticate: Basic realm="cortex"\r\n')

    async def _connect(self, given: Pass, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            addresses = await self._guard.resolve_async(host, port)
        except OutboundRefused as refusal:
            text = refusal.message.replace("WAGGLE_OUTBOUND_ALLOW", "CORTEX_EGRESS_ALLOW")
            given.note(text)
            raise _Answer("403 Forbidden", text) from None
        for address in addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address, port)
        raise _Answer("502 Bad Gateway", f"{host}:{port} cannot be reached")

    async def _through(
        self, given: Pass, upstream: str, request: str, headers: list[str], *, tunnel: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """By way of the proxy in the worker's configuration; what it answers is what the job gets."""
        parts = urlsplit(upstream if "//" in upstream else f"//{upstream}")
        if not parts.hostname:
            raise _Answer("502 Bad Gateway", "the proxy in the worker's configuration is no URL")
        reader, writer = await self._connect(given, parts.hostname, parts.port or 3128)
        sent = [request, *headers]
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            sent.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        if not tunnel:
            sent.append("Connection: close")
        writer.write("\r\n".join([*sent, "", ""]).encode("latin-1"))
        return reader, writer, b""


def _target(target: str, *, tunnel: bool) -> tuple[str, int, str]:
    """Host, port and path of a request line."""
    try:
        parts = urlsplit(f"//{target}" if tunnel else target)
        host, port = parts.hostname, parts.port or (443 if tunnel else 80)
    except ValueError:
        host, port = None, 0
    if not host or (not tunnel and parts.scheme != "http"):
        raise _Answer("400 Bad Request", "the request names no host to go to")
    path = parts.path or "/"
    return host, port, f"{path}?{parts.query}" if parts.query else path


async def _splice(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter
) -> None:
    """Passes bytes both ways until both ends are done, or one is gone."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()

    both = [asyncio.create_task(copy(reader, far_writer)), asyncio.create_task(copy(far_reader, writer))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
