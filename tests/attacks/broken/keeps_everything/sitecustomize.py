"""A daemon that keeps something of every connection for ever."""

from __future__ import annotations

from dsked.wire.handshake_hub import HubHandshake

_KEPT: list[bytearray] = []
_greeting = HubHandshake.greeting


def _keep(self: HubHandshake) -> bytes:
    _KEPT.append(bytearray(b"x" * 8192))
    return _greeting(self)


HubHandshake.greeting = _keep  # type: ignore[method-assign]
