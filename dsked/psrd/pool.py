"""The two sides of a pool: the owner allocates strictly upward, the receiver keeps one mark.

A pool is one ordered stream, addressed by one 64-bit position. Both sides make marks durable ahead
of use, so that after a crash bytes are burned and never used again:

    owner      0 ..... next ........... durable ....... held_end
                used     reserved ahead       not yet
    receiver   0 ..... mark ........... durable ....... end
                used     burned by a crash    unread

The window rule bounds how far an owner may run ahead of what the receiver has told (its `ack`), so
that a restored copy of one side cannot meet positions that were already spent (proto/pools.md,
section 2). Simulated pools have no window.
"""

from __future__ import annotations

from dsked.errors import PoolExhaustedError, ReplayError, StorageError, WindowError
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    RESERVED_POOL_FRACTION,
    WINDOW_MAX_BYTES,
    WINDOW_MIN_BYTES,
    WINDOW_PING_RESERVE_BYTES,
    WINDOW_POOL_FRACTION,
)
from dsked.psrd.proofs import OwnProofs
from dsked.psrd.store import StreamStore


def window_bytes(first_bundle_bytes: int) -> int:
    """WIN of a media pool in bytes, fixed by the size of the first bundle of its stream."""
    return min(max(first_bundle_bytes // WINDOW_POOL_FRACTION, WINDOW_MIN_BYTES), WINDOW_MAX_BYTES)


class Pool:
    """What both sides of a pool have: its bytes, and a durable mark that runs ahead of use.

    `window` is WIN in bytes, or None for a simulated pool; `start` the mark found on disk. The mark is
    renewed when half of what was reserved last is used. One request is under way at a time, unless a
    frame needs more than it makes sure of.
    """

    __slots__ = ("_asked", "_reserve_at", "_used", "durable", "store", "stream_id", "window")

    def __init__(self, stream_id: bytes, store: StreamStore, window: int | None, start: int) -> None:
        self.stream_id = stream_id
        self.store = store
        self.window = window
        self.durable = start
        self._asked = start  # what the request under way makes sure of
        self._used = start
        self._reserve_at = start  # from here on it is time to ask again: never beyond `durable`

    @property
    def unused(self) -> int:
        """Bytes that can still be used, whatever the window."""
        raise NotImplementedError

    @property
    def left(self) -> int:
        """Those of them that ordinary frames can have."""
        return self.unused if self.window is None else max(self.unused - WINDOW_PING_RESERVE_BYTES, 0)

    def _reserve(self, used: int, at_most: int) -> None:
        """Have all up to `used` made durable, now or soon, and more ahead of time. Raises StorageError."""
        self._used = used
        if used > self.durable:
            self._need(used, at_most)
        elif self._asked <= self.durable < at_most:
            self._need(self.durable + 1, at_most)

    def _need(self, mark: int, at_most: int) -> None:
        if mark > max(self.durable, self._asked):
            self._asked = mark
            self.store.reserve(mark, max(mark, at_most), self._set_durable)

    def _set_durable(self, mark: int) -> None:
        self.durable = max(self.durable, mark)
        if mark < self._asked:  # the disk has failed, or does the larger of two requests later
            self._asked = self.durable
        self._reserve_at = self.durable - max(self.durable - self._used, 0) // 2

    def recover(self) -> None:
        """Ask a store that has failed once more: a new handshake begins. Raises StorageError."""
        try:
            self.store.check()
        except StorageError:
            self._need(self.durable + 1, self.durable + 1)


class OwnerPool(Pool):
    """The side that allocates."""

    __slots__ = ("acked", "held_end", "next", "peer_end", "proofs")

    def __init__(self, stream_id: bytes, store: StreamStore, window: int | None, start: int = 0) -> None:
        super().__init__(stream_id, store, window, start)
        self.next = start
        self.acked = 0  # nothing was told to this process yet, and `start` may lie WIN beyond what was
        self.peer_end = self.held_end = store.end  # until the peer tells it, in every handshake
        self.proofs = OwnProofs()

    def peer_holds(self, end: int) -> None:
        """The peer holds the stream up to `end`."""
        self.peer_end = end
        self.grown()

    def grown(self) -> None:
        """More bytes have come: what both sides hold can be used."""
        self.held_end = min(self.peer_end, self.store.end)

    def limit(self, *, urgent: bool = False) -> int:
        """The furthest end that a frame may have now; PING alone (`urgent`) may use the last 1 KiB."""
        if self.window is None:
            return self.held_end
        reserve = 0 if urgent else WINDOW_PING_RESERVE_BYTES
        return min(self.held_end, self.acked + self.window) - reserve

    def available(self, *, urgent: bool = False) -> int:
        """Bytes that can be allocated now."""
        return max(self.limit(urgent=urgent) - self.next, 0)

    @property
    def unused(self) -> int:
        """Bytes that both sides hold and that are not allocated yet."""
        return max(self.held_end - self.next, 0)

    def allocate(self, length: int, *, urgent: bool = False) -> tuple[int, bytes] | None:
        """Take `length` bytes: (position, bytes), wiped in the store before they are returned.

        None while the reservation is not durable yet: ask again when it is.
        Raises PoolExhaustedError when the pool or the window does not hold so many, StorageError.
        """
        limit, end = self.limit(urgent=urgent), self.next + length
        if end > limit:
            raise PoolExhaustedError(f"{length} bytes are needed, {max(limit - self.next, 0)} are left")
        if end > self._reserve_at:
            self._reserve(end, min(limit, end + (self.held_end - end) // RESERVED_POOL_FRACTION))
            if end > self.durable:
                return None
        assert end <= self.durable
        return self._take(self.next, length)

    def allocate_at(self, position: int, length: int) -> bytes:
        """`length` bytes at a position of the handshake's choice, which burns what lies before it.

        They must not leave, nor anything made of them, before `durable` has reached `next`. The bytes are
        taken for good at once. Raises PoolExhaustedError beyond the end, StorageError.
        """
        if position < self.next:
            raise ReplayError(f"position {position} lies below the next position {self.next}")
        self.check_room(position, length)
        end = position + length
        self._need(end, at_most=end)  # the window of the session that it begins is not known yet
        return self._take(position, length)[1]

    def check_room(self, position: int, length: int) -> None:
        """Raise PoolExhaustedError unless both sides hold so many bytes from `position` on."""
        if position + length > self.held_end:
            raise PoolExhaustedError(
                "its PSRD is used up: what is left is less than a start needs; deliver new blocks"
            )

    def _take(self, position: int, length: int) -> tuple[int, bytes]:
        data = self.store.read(position, length)
        self.next = position + length
        self.store.wipe(self.next)
        return position, data

    def acknowledged(self, ack: int) -> None:
        """The peer's durable mark, as told inside a session."""
        self.acked = max(self.acked, ack)

    def begins_session(self, durable_mark: int) -> None:
        """A peer that tells this mark has proved itself: another copy of it acknowledged more, if anybody."""
        self.acked = min(self.acked, durable_mark)


class ReceiverPool(Pool):
    """The side that follows. `mark` is the high-water mark: a frame below it is a replay."""

    __slots__ = ("mark", "proved", "told")

    def __init__(self, stream_id: bytes, store: StreamStore, window: int | None, start: int = 0) -> None:
        super().__init__(stream_id, store, window, start)
        self.mark = start
        self.told = start  # the largest mark or ack ever told to the owner
        self.proved = b""  # the hash key of the owner's last proof, if its process is still the last one

    @property
    def end(self) -> int:
        """The position behind the last byte held."""
        return self.store.end

    @property
    def unused(self) -> int:
        """Bytes held above the mark."""
        return max(self.store.end - self.mark, 0)

    def read(self, position: int, length: int) -> bytes:
        """The bytes of a frame at [position, position + length), which stays unused until `advance`.

        Raises ReplayError below the mark, WindowError beyond the window or beyond what is held.
        """
        self.check(position, length)
        return self.store.read(position, length)

    def read_proof(self, position: int) -> bytes:
        """The bytes of M3 or M4, which may begin where the window ends. Raises as `read` does."""
        self.check(position, HANDSHAKE_PAD_BYTES, beyond=HANDSHAKE_PAD_BYTES)
        return self.store.read(position, HANDSHAKE_PAD_BYTES)

    def check(self, position: int, length: int, *, beyond: int = 0) -> None:
        """Raise unless the peer may still use [position, position + length), `beyond` its window or not."""
        if position < self.mark:
            raise ReplayError(f"position {position} lies below the mark {self.mark}")
        if self.window is not None and position + length > self.told + self.window + beyond:
            raise WindowError(f"position {position} lies beyond the window")
        if position + length > self.store.end:
            raise WindowError(f"position {position} lies beyond the {self.store.end} bytes held")

    def advance(self, end: int) -> None:
        """A tag has verified: everything below `end` is used or burned, and wiped. Raises StorageError."""
        assert end >= self.mark
        self.mark = end
        self.store.wipe(end)
        if end > self._reserve_at:
            self._reserve(end, self._at_most)

    @property
    def _at_most(self) -> int:
        """The furthest durable mark to have: what lies below it is burned by a crash."""
        ahead = self.unused // RESERVED_POOL_FRACTION
        return self.mark + (ahead if self.window is None else min(ahead, self.window // 2))

    @property
    def mark_to_tell(self) -> int:
        """The mark for M1 or M2: the smallest that is at least 48 above every mark or ack told before."""
        return max(self.told + HANDSHAKE_PAD_BYTES, self.mark)

    def catch_up(self, owner_next: int) -> bool:
        """True where the owner says that it stands more than a window beyond what can be told.

        This side's state is older than what it has once told, then: restored, or cloned. Everything up to
        a window before the owner is given up, so that the next mark told reaches it. Raises StorageError.
        """
        if self.window is None or owner_next <= self.mark_to_tell + self.window:
            return False
        self.promise(max(min(owner_next - self.window, self.store.end), self.told))
        return True

    def promise(self, mark: int) -> None:
        """`mark` is told, in a message that must not leave before `durable` has reached it.

        Raises StorageError.
        """
        self._need(mark, self._at_most)
        self.told = max(self.told, mark)

    def tell(self) -> int:
        """The durable mark, remembered as told: the owner may rely on it."""
        self.told = max(self.told, self.durable)
        return self.durable

    @property
    def tell_now(self) -> bool:
        """True when a PING must tell the mark, so that a full window never waits for another."""
        return self.window is not None and self.durable - self.told >= self.window // 4
