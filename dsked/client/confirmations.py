"""Telling the hubs which keys were rebuilt, so that they forget their shares: repeated until acknowledged.

Confirmations wait at each hub's peer. They travel with the next GET_SHARES, or alone after a while.
"""

from __future__ import annotations

from collections.abc import Iterable

from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import NO_STRANGERS, Hubs, Strangers
from dsked.limits import DONE_FLUSH_S
from dsked.timers import Timers
from dsked.wire.messages import Confirmed


class Confirmations:
    """What one client has to confirm, to all of its hubs."""

    def __init__(self, hubs: Hubs, timers: Timers) -> None:
        self._hubs = hubs
        self._timers = timers
        self._flushing = False

    def rebuilt(
        self, initiator: str, key_ids: bytes, now: float, strangers: Strangers = NO_STRANGERS
    ) -> None:
        """Keys are there: every hub may forget its shares, even one that has not been asked for them.

        Strangers to the initiator have none.
        """
        confirmed = Confirmed(initiator, key_ids)
        for hub in self._hubs.common(strangers):
            hub.confirm(confirmed)
            if hub.drains:
                self.at_once(hub)
        self._flush_later(now)

    def again(self, hub: HubPeer, confirmed: Iterable[Confirmed], now: float) -> None:
        """These did not reach `hub`."""
        for column in confirmed:
            hub.confirm(column)
        self._flush_later(now)

    @staticmethod
    def at_once(hub: HubPeer) -> None:
        """A hub that drains stops once it holds nothing any more."""
        if hub.registered and hub.has_confirmations:
            hub.send_confirmations()

    def _flush_later(self, now: float) -> None:
        if not self._flushing:
            self._flushing = True
            self._timers.at(now + DONE_FLUSH_S, self._flush)

    def _flush(self, now: float) -> None:
        """Send what has not travelled with a GET_SHARES; look again later, since a session may be lost."""
        self._flushing = False
        waiting = [hub for hub in self._hubs if hub.has_confirmations]
        for hub in waiting:
            if hub.registered:
                hub.send_confirmations()
        if waiting:
            self._flush_later(now)
