"""All hubs of one client: who can be asked now, and how many there must be."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.client.hub_peer import HubPeer
from dsked.errors import TooFewHubsError


class Hubs:
    """The n hubs in the order of the configuration, and k = min_nr_shares."""

    def __init__(self, peers: list[HubPeer], k: int) -> None:
        self.peers = peers
        self.k = k
        self.n = len(peers)
        self._by_name = {peer.name: peer for peer in peers}
        self.xs = tuple(peer.x for peer in peers)

    def __iter__(self) -> Iterator[HubPeer]:
        return iter(self.peers)

    def __getitem__(self, name: str) -> HubPeer:
        return self._by_name[name]

    def usable(self) -> list[HubPeer]:
        """Hubs with an authenticated session that have taken the registration, and with PSRD left."""
        return [peer for peer in self.peers if not peer.trouble]

    def too_few(self, usable: int) -> TooFewHubsError:
        """The error of a request for which too few hubs are connected."""
        problems = "; ".join(f"{peer.name}: {peer.trouble}" for peer in self.peers if peer.trouble)
        return TooFewHubsError(f"{usable} of {self.n} hubs are connected, {self.k} are needed ({problems})")
