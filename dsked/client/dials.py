"""Which hubs to dial, and when: later after a failure, at once where new PSRD has come."""

from __future__ import annotations

from dsked.client.hub_peer import HubPeer
from dsked.timers import Timer, Timers


class Dials:
    """The hubs that are to be dialled, those that wait for it, and those under way or connected."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._due: list[HubPeer] = []
        self._waiting: dict[HubPeer, Timer] = {}
        self._under_way: set[HubPeer] = set()

    def at_once(self, hub: HubPeer) -> None:
        """Dial `hub` when the turn ends, unless that is under way."""
        if hub in self._under_way:
            return
        timer = self._waiting.pop(hub, None)
        if timer is not None:
            timer.cancel()
        self._under_way.add(hub)
        self._due.append(hub)

    def ended(self, hub: HubPeer) -> None:
        """The connection is gone, or could not be made."""
        self._under_way.discard(hub)

    def later(self, hub: HubPeer, at: float) -> None:
        """Dial `hub` at that time."""
        self._waiting[hub] = self._timers.at(at, lambda now: self.at_once(hub))

    def take_due(self) -> list[HubPeer]:
        """The hubs to dial now."""
        due, self._due = self._due, []
        return due
