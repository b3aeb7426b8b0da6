"""The guard on every connection to a target that somebody configured (threats S09, S20).

Resolve the name, check every address, connect to the address that was checked, and again on each redirect: a name that
changes between check and connection, or a redirect into the inside, meets the same check. Targets from the operator's own
settings and environment are trusted; targets set over REST must be public or named in `WAGGLE_OUTBOUND_ALLOW`. Cloud metadata
addresses are refused to everybody.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from waggle.errors import BadRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
METADATA = frozenset(
    ipaddress.ip_address(a) for a in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)


class OutboundRefused(BadRequest):
    """The target is not one this installation may call."""

    type = "OutboundRefused"


def _unwrapped(address: Address) -> Address:
    """The IPv4 address behind an IPv6 form of it (mapped, 6to4, NAT64), else the address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class OutboundGuard:
    """`allow`: host names (exact, or `.example.org` for a domain and all below it) and addresses or CIDRs."""

    def __init__(self, allow: Iterable[str] = (), *, trusted: bool = False) -> None:
        self._hosts: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._trusted = trusted
        for entry in (e.strip() for e in allow if e.strip()):
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._hosts.add(entry.lower().rstrip("."))

    def trusting(self) -> OutboundGuard:
        """The guard for targets from the operator's own settings: only metadata addresses are refused."""
        guard = OutboundGuard(trusted=True)
        guard._hosts, guard._networks = self._hosts, self._networks
        return guard

    def _named(self, host: str) -> bool:
        return host in self._hosts or any(h.startswith(".") and (host.endswith(h) or host == h[1:]) for h in self._hosts)

    def check_address(self, host: str, address: Address) -> None:
        """Raises OutboundRefused unless a connection to `address` on behalf of `host` is allowed."""
        real = _unwrapped(address)
        if real in METADATA:
            raise OutboundRefused(f"{host} is a cloud metadata address; it is never called")
        if self._trusted or self._named(host.lower().rstrip(".")):
            return
        if any(real in network for network in self._networks if network.version == real.version):
            return
        if not real.is_global or real.is_multicast:
            raise OutboundRefused(
                f"{host} ({real}) is not a public address; name it in WAGGLE_OUTBOUND_ALLOW if this installation may call it"
            )

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, each checked. Blocks; see `resolve_async`."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise OutboundRefused(f"{host} cannot be resolved: {error}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self.check_address(host, ipaddress.ip_address(address.split("%")[0]))
        return addresses

    async def resolve_async(self, host: str, port: int) -> list[str]:
        return await asyncio.to_thread(self.resolve, host, port)

    def check_url(self, url: str) -> None:
        """Refuses a URL that is not http(s) or leads inside; for settings, when they are set. Blocks on the look-up."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise OutboundRefused(f"not a URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OutboundRefused("the URL must start with http:// or https:// and name a host")
        self.resolve(parts.hostname, port)
