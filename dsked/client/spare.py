"""What hubs can spare for keys that are established ahead: requests come first."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs, Strangers
from dsked.client.pace import free_pads
from dsked.limits import MASK_BYTES, MAX_FRAME_PAD_BYTES
from dsked.wire.session import Session


class Spare:
    """Of all hubs but strangers to a responder. Simulated pools below `least_simulated` bytes are low."""

    def __init__(self, hubs: Hubs, least_simulated: int) -> None:
        self._hubs = hubs
        self._least_simulated = least_simulated

    def obstacle(self, strangers: Strangers) -> str:
        """Why no key can be stored now, or empty."""
        common = self._hubs.common(strangers)
        taking = sum(hub.takes_shares for hub in common)
        if taking < self._hubs.k:
            return str(self._hubs.too_few(taking, strangers))
        low = next(filter(self._is_low, common), None)
        return f"the PSRD of hub {low.name} is low: it is left for requests" if low is not None else ""

    def _is_low(self, hub: HubPeer) -> bool:
        """Of a hub that can still take shares, now or when it comes back."""
        if hub.supply is not None:
            return hub.supply.low and not hub.supply.problem
        streams = hub.pair.streams
        return hub.registered and streams is not None and streams.local.unused < self._least_simulated

    def frame_pads(self, strangers: Strangers) -> int:
        """What all of them take in one frame."""
        sessions = self._sessions(strangers)
        return min((session.max_pads for session in sessions), default=MAX_FRAME_PAD_BYTES)

    def spare_pads(self, strangers: Strangers) -> int:
        """What may leave now: a frame, and no more of a simulated pool than it can spare."""
        sessions = self._sessions(strangers)
        spare = [free_pads(session) for session in sessions if session.streams.local.window is None]
        least = self._least_simulated + MASK_BYTES
        return min([self.frame_pads(strangers), *(pads - least for pads in spare)])

    def _sessions(self, strangers: Strangers) -> Iterator[Session]:
        for hub in self._hubs.usable():
            session = hub.connection.session if hub.connection is not None else None
            if session is not None and hub.index not in strangers:
                yield session
