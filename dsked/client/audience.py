"""The hubs to which keys are dealt in one turn: all, or those that are common (proto/keys.md, section 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dsked.client.evidence import Evidence
from dsked.client.hubs import Hubs, Strangers
from dsked.client.pace import Room
from dsked.client.scattering import Scattering
from dsked.errors import DskedError
from dsked.sharing.terms import Party


class Audience(NamedTuple):
    """The common hubs of some requests that can be dealt to now, k of them at least; hubs are by index."""

    possible: set[int]
    counted: frozenset[int]
    rooms: Mapping[int, Room]  # of those that have a window
    max_pads: int  # what k of them take in a frame

    def full(self, pads: int) -> set[int]:
        """Those whose window has no room for so many bytes."""
        return {index for index, room in self.rooms.items() if not room.fits(pads)}

    def spares(self, pads: int) -> bool:
        """Whether all have that room, and as much again for what comes next."""
        return all(room.spares(pads) for room in self.rooms.values())

    def take(self, pads: int, full: Iterable[int]) -> None:
        """So many bytes are about to be queued for each but those that are full."""
        for index in self.rooms.keys() - full:
            self.rooms[index].take(pads)


class Audiences:
    """Those of one turn: mostly one."""

    def __init__(self, hubs: Hubs, scattering: Scattering, evidence: Evidence, now: float) -> None:
        self._hubs = hubs
        self._scattering = scattering
        self._taking = hubs.taking()
        self._counted = frozenset(hub.index for hub in hubs.counted(evidence, now))
        self._rooms = scattering.rooms(self._taking)
        self._of: dict[Strangers, Audience | None] = {}

    def of(self, strangers: Strangers, responders: Iterable[Party]) -> Audience | DskedError:
        """Of requests for these responders, or why nothing can be dealt for them."""
        if strangers not in self._of:
            self._of[strangers] = self._audience(strangers)
        return self._of[strangers] or self._too_few(strangers, responders)

    def _audience(self, strangers: Strangers) -> Audience | None:
        taking = [hub for hub in self._taking if hub.index not in strangers]
        if len(taking) < self._hubs.k:
            return None
        rooms = {index: room for index, room in self._rooms.items() if index not in strangers}
        possible = {hub.index for hub in taking}
        return Audience(possible, self._counted - strangers, rooms, self._scattering.max_pads(taking))

    def _too_few(self, strangers: Strangers, responders: Iterable[Party]) -> DskedError:
        common = self._hubs.common(strangers)
        if len(common) < self._hubs.k:
            names = ", ".join(party.encryptor for party in responders)
            return self._hubs.too_few_common([hub.index for hub in common], f"the clients of {names}")
        taking = sum(hub.index not in strangers for hub in self._taking)
        return self._hubs.too_few(taking, strangers)
