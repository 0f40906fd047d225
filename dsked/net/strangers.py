"""Connections whose peers have shown no gate key yet: by where they come from, in the order of coming."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from dsked.wire.connection import HubConnection

#: Whoever has one address of an IPv6 network of this size has all of it (RFC 4291, section 2.5.4).
_IPV6_PREFIX_BITS = 64


def origin(address: str) -> str:
    """What a limit per address counts: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_PREFIX_BITS), strict=False))


class Strangers:
    """All of them at a hub. Each operation costs the same, however many there are."""

    def __init__(self) -> None:
        self._known: dict[HubConnection, tuple[str, float]] = {}  # origin, and since when
        self._of: dict[str, dict[HubConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, connection: HubConnection, address: str, now: float) -> None:
        """Somebody has connected."""
        whence = origin(address)
        self._known[connection] = whence, now
        self._of.setdefault(whence, {})[connection] = None

    def forget(self, connection: HubConnection) -> None:
        """It is a stranger no longer: it has shown a gate key, or is gone. Twice does nothing."""
        whence, _ = self._known.pop(connection, ("", 0.0))
        if whence:
            del self._of[whence][connection]
            if not self._of[whence]:
                del self._of[whence]

    def oldest(self) -> HubConnection | None:
        """Who has been a stranger for longest."""
        return next(iter(self._known), None)

    def since(self, connection: HubConnection) -> float:
        """When it came."""
        return self._known[connection][1]

    def of(self, address: str) -> Collection[HubConnection]:
        """Those from the same place as `address`, the oldest first."""
        return self._of.get(origin(address), {})

    def numbers(self) -> dict[str, int]:
        """How many there are of each origin."""
        return {whence: len(connections) for whence, connections in self._of.items()}
