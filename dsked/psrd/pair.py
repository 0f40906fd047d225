"""What one side keeps of a client-hub pair: the gate key, both pools, and where a session may begin."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from dsked.limits import HANDSHAKE_PAD_BYTES, SIMULATED_MIN_POOL_BYTES, STREAM_ID_BYTES
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream

NO_STREAM = bytes(STREAM_ID_BYTES)


class Side(enum.Enum):
    """The two ends of a pair; each owns one pool. The value is the direction byte under every tag."""

    CLIENT = b"C"
    HUB = b"H"

    @property
    def other(self) -> Side:
        """The opposite end."""
        return Side.HUB if self is Side.CLIENT else Side.CLIENT


@dataclass(slots=True)
class Streams:
    """Both pools of a pair, as one side holds them: it owns `local` and follows `peer`."""

    local: OwnerPool
    peer: ReceiverPool

    def by_owner(self, side: Side, owner: Side) -> OwnerPool | ReceiverPool:
        """The pool that `owner` allocates from, seen from `side`."""
        return self.local if owner is side else self.peer

    @property
    def short(self) -> bool:
        """True when a handshake and one frame might not fit any more (simulated pools)."""
        return min(self.local.unused, self.peer.unused) < SIMULATED_MIN_POOL_BYTES


def simulated_streams(local_id: bytes, peer_id: bytes) -> Streams:
    """Two empty streams in memory, without a window."""
    return Streams(
        OwnerPool(local_id, MemoryStream(), window=None), ReceiverPool(peer_id, MemoryStream(), window=None)
    )


@dataclass(slots=True)
class Pair:
    """One client-hub pair, as one side keeps it from connection to connection.

    `simulated`: blocks come over the connection, and both streams are begun anew when in doubt.
    `had_session`: this process has completed a handshake with this peer; until then it has
    "just started" in the words of the design's section 6.
    """

    client: str
    hub: str
    side: Side
    gate_key: bytes = field(repr=False)
    simulated: bool
    streams: Streams | None = None
    had_session: bool = False
    rewound: bool = False  # a rewind or a clone was proven: an alarm in status

    @property
    def peer_name(self) -> str:
        """The name of the other end."""
        return self.hub if self.side is Side.CLIENT else self.client


def begin_position(
    pool: OwnerPool, *, had_session: bool, peer_just_started: bool, peer_exact: int, peer_durable: int
) -> int:
    """Where this side's next handshake frame stands: S of the design's section 6.

    `peer_exact` and `peer_durable` are the marks that the peer has just told of this pool.
    Simulated pools go on at their own next position.
    """
    if pool.window is None:
        return pool.next
    certain = (
        had_session
        and not peer_just_started
        and peer_exact <= pool.next
        and pool.next + HANDSHAKE_PAD_BYTES <= pool.acked + pool.window
    )
    return pool.next if certain else max(peer_durable + pool.window, pool.next)


def tell_durable(pool: ReceiverPool) -> int:
    """The mark to tell in M1 or M2: durable, and at least 48 above every mark or ack told before."""
    pool.raise_durable(max(pool.told + HANDSHAKE_PAD_BYTES, pool.mark), now=True)
    return pool.tell()
