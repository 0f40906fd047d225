"""What one side keeps of a client-hub pair: the gate key, both pools, and where a session may begin."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from dsked.errors import ErrorCode, HandshakeRefusedError, TagError
from dsked.limits import BOOT_ID_BYTES, HANDSHAKE_PAD_BYTES, SIMULATED_MIN_POOL_BYTES, STREAM_ID_BYTES
from dsked.psrd.pool import OwnerPool, Pool, ReceiverPool
from dsked.psrd.store import MemoryStream
from dsked.secrecy import no_pickle

NO_STREAM = bytes(STREAM_ID_BYTES)
NO_BOOT = bytes(BOOT_ID_BYTES)


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

    def recover(self) -> None:
        """Ask stores that have failed once more. Raises StorageError."""
        self.local.recover()
        self.peer.recover()

    def check(self) -> None:
        """Raises StorageError while either stream has failed."""
        self.local.store.check()
        self.peer.store.check()


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
    "just started" (the flag JUST_STARTED of proto/handshake.md).
    `proved_boot`: the boot ID of the peer process whose proof (M3 or M4) was verified last, as long as
    no other process of the peer may have sent a proof since; else NO_BOOT.
    `latest_hello`: a hub's nonce of the newest M2; an M3 on any older one does not count.
    """

    client: str
    hub: str
    side: Side
    gate_key: bytes = field(repr=False)
    simulated: bool
    streams: Streams | None = None
    had_session: bool = False
    proved_boot: bytes = NO_BOOT
    latest_hello: bytes = b""
    rewound: bool = False  # a rewind or a clone was proven: an alarm in status
    alarm: bool = False  # the same, until it is taken for the log

    __reduce__ = no_pickle

    def deliver(self, gate_key: bytes, streams: Streams) -> None:
        """New streams, and the gate key that came with them: of these nothing is known of the peer yet."""
        self.gate_key, self.streams = gate_key, streams
        self.had_session, self.rewound = False, False
        self.proved_boot, self.latest_hello = NO_BOOT, b""

    def sound_alarm(self) -> None:
        """The peer remembers more of this side than this side does."""
        self.rewound = self.alarm = True

    def take_alarm(self) -> str:
        """What is to be logged, once: words that follow the peer's name."""
        alarm, self.alarm = self.alarm, False
        return RESTORED if alarm else ""

    def catch_up(self, owner_next: int) -> None:
        """The peer says that it stands there on its own pool: follow it if this side was left behind.

        Raises StorageError.
        """
        assert self.streams is not None
        if self.streams.peer.catch_up(owner_next):
            self.sound_alarm()

    def may_prove(self, boot_id: bytes) -> None:
        """From now on the peer's process `boot_id` may send a proof: another one is not the last any more."""
        if self.proved_boot != boot_id:
            self.proved_boot = NO_BOOT
            if self.streams is not None:
                self.streams.peer.proved = b""


def begin_position(
    pool: OwnerPool, *, boot_id: bytes, proved_boot: bytes, exact_mark: int, durable_mark: int
) -> int:
    """Where this side's next handshake frame stands: S of proto/pools.md, section 4.

    `boot_id` is this process's own; `proved_boot` and the marks are what the peer has just told of it
    and of this pool. Whoever was the last to prove itself goes on where it stands: all bytes up to the
    mark told + WIN are its own. Anybody else begins there, beyond what any copy of it may have used.
    So does who remembers no hash key that the peer has verified (proofs.py). Simulated pools go on at their
    own next position. Raises HandshakeRefusedError where this side stands further than that: the peer would
    not take it, and another copy might come to stand there.
    """
    if pool.window is None:
        return pool.next
    window_end = durable_mark + pool.window
    is_remembered = exact_mark <= pool.next and pool.proofs.last_verified(exact_mark) is not None
    was_the_last = proved_boot == boot_id and is_remembered
    if was_the_last and pool.next + HANDSHAKE_PAD_BYTES <= window_end:
        return pool.next
    if pool.next > window_end:
        raise HandshakeRefusedError(ErrorCode.REWIND, LEFT_BEHIND)
    return window_end


def lies_where_no_frame_was(pool: Pool, position: int, durable_mark: int) -> bool:
    """Whether nobody ever had pads at this position. `durable_mark`: as the verifier has just told it.

    Frames end at what was told before + WIN, which is less; a simulated stream begins with a proof.
    """
    return position == (0 if pool.window is None else durable_mark + pool.window)


def peers_hash_key(pool: ReceiverPool, position: int, durable_mark: int) -> bytes | None:
    """r of the peer's proof at `position`; None where it lies in the pool. Raises TagError: none is known.

    None is known in the pool either where a session has acknowledged more since `durable_mark` was told:
    frames may have come to stand there.
    """
    if lies_where_no_frame_was(pool, position, durable_mark):
        if pool.window is not None and pool.told > durable_mark:
            raise TagError("a proof where frames may have been since the mark was told")
        return None
    if not pool.proved:
        raise TagError("a proof at a position of which no hash key is known")
    return pool.proved


RESTORED = "remembers more of this node than the node itself: its state was restored or cloned"
LEFT_BEHIND = "one side's state is older than the other's by more than a window: it was restored or cloned"


class Promises:
    """The marks that what a handshake says uses or tells: nothing of it leaves before they are durable.

    So no call waits for a disk, and after a crash nobody has seen what the disk has not.
    """

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: list[tuple[Pool, int]] = []

    def proof_bytes(self, pool: OwnerPool, position: int) -> bytes:
        """The 48 bytes of M3 or M4, taken for good. Raises PoolExhaustedError, StorageError."""
        pads = pool.allocate_at(position, HANDSHAKE_PAD_BYTES)
        pool.proofs.add(position, pads)
        self._marks.append((pool, pool.next))
        return pads

    def tell(self, pool: ReceiverPool, mark: int) -> int:
        """`mark`, told in a message or acknowledged by the next frame. Raises StorageError."""
        pool.promise(mark)
        self._marks.append((pool, mark))
        return mark

    @property
    def kept(self) -> bool:
        """True when all of them are durable."""
        self._marks = [(pool, mark) for pool, mark in self._marks if pool.durable < mark]
        return not self._marks
