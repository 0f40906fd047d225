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
        self._origins: dict[HubConnection, str] = {}
        self._of: dict[str, dict[HubConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._origins)

    def add(self, connection: HubConnection, address: str) -> None:
        """Somebody has connected."""
        self._origins[connection] = origin(address)
        self._of.setdefault(origin(address), {})[connection] = None

    def forget(self, connection: HubConnection) -> None:
        """It is a stranger no longer: it has shown a gate key, or is gone. Twice does nothing."""
        whence = self._origins.pop(connection, None)
        if whence is not None:
            del self._of[whence][connection]
            if not self._of[whence]:
                del self._of[whence]

    def oldest(self) -> HubConnection | None:
        """Who has been a stranger for longest."""
        return next(iter(self._origins), None)

    def of(self, address: str) -> Collection[HubConnection]:
        """Those from the same place as `address`, the oldest first."""
        return self._of.get(origin(address), {})

    def numbers(self) -> dict[str, int]:
        """How many there are of each origin."""
        return {whence: len(connections) for whence, connections in self._of.items()}
