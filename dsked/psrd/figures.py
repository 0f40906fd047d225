"""Figures of one pair's pools, for metrics: how far each is used, and how much is left. No byte of them."""

from __future__ import annotations

from typing import NamedTuple

from dsked.psrd.pair import Streams


class PoolFigures(NamedTuple):
    """One pool. All but `window` are of the stream that is in use: a new stream begins at 0 again."""

    position: int  # everything below it is used or burned: the owner's next position, the receiver's mark
    end: int  # behind the last byte held
    window: int  # WIN in bytes; 0 where PSRD is simulated

    @property
    def unused(self) -> int:
        """Bytes that are left."""
        return max(self.end - self.position, 0)


NO_POOL = PoolFigures(0, 0, 0)


class PeerFigures(NamedTuple):
    """What hubs and clients know alike of a peer. `local`: the pool that this node sends with."""

    name: str
    registered: bool
    psrd_low: bool
    restored_state_seen: bool
    local: PoolFigures
    peer: PoolFigures


def pool_figures(streams: Streams | None) -> tuple[PoolFigures, PoolFigures]:
    """(local, peer); both empty where there are no streams yet."""
    if streams is None:
        return NO_POOL, NO_POOL
    local, peer = streams.local, streams.peer
    return (
        PoolFigures(local.next, local.store.end, local.window or 0),
        PoolFigures(peer.mark, peer.end, peer.window or 0),
    )
