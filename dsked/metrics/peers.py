"""What is told of peers: aggregates of all, and series for each only while they are few.

Every series is kept by Prometheus for as long as it keeps anything, and is text in every scrape.
"""

from __future__ import annotations

from dsked.limits import MAX_PEERS_WITH_SERIES
from dsked.metrics import families as f
from dsked.metrics.families import Scrape
from dsked.psrd.figures import PeerFigures, PoolFigures


class Peers:
    """The peers of one scrape. `number`: how many the node knows."""

    def __init__(self, scrape: Scrape, number: int) -> None:
        self._scrape = scrape
        #: Whether each gets series of its own.
        self.listed = number <= MAX_PEERS_WITH_SERIES
        self._number = self._registered = self._low = self._restored = 0
        self._unused = {"local": 0, "peer": 0}
        self._least: dict[str, int] = {}

    def add(self, one: PeerFigures) -> None:
        """A peer's figures, by itself where it is listed and among all."""
        self._number += 1
        self._registered += one.registered
        self._low += one.psrd_low
        self._restored += one.restored_state_seen
        for owner, pool in (("local", one.local), ("peer", one.peer)):
            if pool.end:  # it has PSRD at all
                self._unused[owner] += pool.unused
                self._least[owner] = min(self._least.get(owner, pool.unused), pool.unused)
            if self.listed:
                self._add_pool(one.name, owner, pool)
        if self.listed:
            self._scrape.add(f.PEER_REGISTERED, one.registered, one.name)
            self._scrape.add(f.PEER_LOW, one.psrd_low, one.name)
            self._scrape.add(f.PEER_RESTORED, one.restored_state_seen, one.name)

    def _add_pool(self, name: str, owner: str, pool: PoolFigures) -> None:
        self._scrape.add(f.POOL_UNUSED, pool.unused, name, owner)
        self._scrape.add(f.POOL_USED, pool.position, name, owner)
        self._scrape.add(f.POOL_END, pool.end, name, owner)
        self._scrape.add(f.POOL_WINDOW, pool.window, name, owner)

    def finish(self) -> None:
        """All peers have been added: what they are together."""
        scrape = self._scrape
        scrape.add(f.PEERS, self._number)
        scrape.add(f.PEERS_LISTED, self._number if self.listed else 0)
        scrape.add(f.PEERS_REGISTERED, self._registered)
        scrape.add(f.PEERS_LOW, self._low)
        scrape.add(f.PEERS_RESTORED, self._restored)
        for owner, unused in self._unused.items():
            scrape.add(f.POOLS_UNUSED, unused, owner)
        for owner, least in self._least.items():
            scrape.add(f.POOLS_LEAST, least, owner)
