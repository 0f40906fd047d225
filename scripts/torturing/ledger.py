"""Which positions of which stream were ever used, by whom, and how many were passed over.

A use is a range of positions that a sender has put on the wire; whether it arrived does not matter. Two
uses that overlap are what this whole script is there to find.

Waste is what lies below the highest use and was never used. A kill may waste a reservation of the receiver
(WIN / 2) and a window, a handshake attempt 48 bytes (proto/pools.md, section 4); nothing else may waste
anything, as long as no state is restored or cloned.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

#: proto/pools.md, section 4. Written here again: what checks the daemon takes nothing from it.
HANDSHAKE_BYTES = 48


class Origin(NamedTuple):
    """Where a use was seen: the connection's number, and the piece's place among those of its direction."""

    connection: int
    piece: int


class Use(NamedTuple):
    """A range of positions, [start, end), and what used it: a frame's type, or M3 or M4."""

    start: int
    end: int
    kind: str
    origin: Origin


class Reuse(NamedTuple):
    """Bytes used twice."""

    stream: str
    first: Use
    second: Use


class Waste(NamedTuple):
    """More bytes passed over than allowed, before a use that begins at `position`."""

    stream: str
    position: int
    wasted: int
    allowed: int
    origin: Origin


@dataclass
class Stream:
    """The uses of one stream, disjoint and in order of position, as columns: there are millions.

    `client`, `hub`: its ends. `owner`: the one of them that allocates. `window`: WIN in bytes.
    """

    name: str
    client: str
    hub: str
    owner: str
    window: int | None
    excused: bool = False  # state of an end was restored or cloned: waste is not judged
    highest: int = 0
    wasted: int = 0  # by kills, and by attempts
    judged_kills: int = 0  # starts that could waste, and were judged
    _kill_allowance: int = 0
    _attempt_allowance: int = 0
    _starts: array[int] = field(default_factory=lambda: array("Q"))
    _ends: array[int] = field(default_factory=lambda: array("Q"))
    _connections: array[int] = field(default_factory=lambda: array("Q"))
    _pieces: array[int] = field(default_factory=lambda: array("Q"))
    _kinds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._allow_a_start()  # whoever begins on a stream begins a window beyond the mark told

    def note(self, use: Use) -> Reuse | Waste | None:
        """Write a use down; what is wrong with it, if anything."""
        at = bisect_right(self._starts, use.start)
        for neighbour in (at - 1, at):
            if 0 <= neighbour < len(self._starts) and self._overlaps(neighbour, use):
                return Reuse(self.name, self._use(neighbour), use)
        self._insert(at, use)
        return self._passed_over(use)

    def killed(self) -> None:
        """An end was killed: one more reservation and window may be wasted."""
        self._allow_a_start()

    def attempted(self) -> None:
        """A handshake has begun."""
        self._attempt_allowance += HANDSHAKE_BYTES

    def settled(self) -> None:
        """A session carries frames again: what the kills before it could waste is wasted by now."""
        self._kill_allowance = 0
        self.excused = False

    @property
    def nr_uses(self) -> int:
        """Frames and handshake messages that used bytes."""
        return len(self._starts)

    @property
    def used(self) -> int:
        """Bytes used."""
        return sum(self._ends) - sum(self._starts)

    def _allow_a_start(self) -> None:
        if self.window is not None:
            self._kill_allowance += self.window // 2 + self.window
            self.judged_kills += not self.excused

    def _overlaps(self, index: int, use: Use) -> bool:
        return use.start < self._ends[index] and self._starts[index] < use.end

    def _use(self, index: int) -> Use:
        origin = Origin(self._connections[index], self._pieces[index])
        return Use(self._starts[index], self._ends[index], self._kinds[index], origin)

    def _insert(self, at: int, use: Use) -> None:
        self._starts.insert(at, use.start)
        self._ends.insert(at, use.end)
        self._connections.insert(at, use.origin.connection)
        self._pieces.insert(at, use.origin.piece)
        self._kinds.insert(at, use.kind)

    def _passed_over(self, use: Use) -> Waste | None:
        gap, self.highest = use.start - self.highest, max(self.highest, use.end)
        if gap <= 0 or self.excused or self.window is None:
            return None
        self.wasted += gap
        allowed = self._kill_allowance + self._attempt_allowance
        if gap > allowed:
            return Waste(self.name, use.start, gap, allowed, use.origin)
        by_attempts = min(gap, self._attempt_allowance)
        self._attempt_allowance -= by_attempts
        self._kill_allowance -= gap - by_attempts
        return None


class Ledger:
    """All streams of a laboratory. `window_of` gives WIN in bytes of a pair (client, hub), or None."""

    def __init__(self, window_of: Callable[[str, str], int | None]) -> None:
        self._window_of = window_of
        self.streams: dict[bytes, Stream] = {}
        self.faults: list[Reuse | Waste] = []

    def stream(self, identity: bytes, client: str, hub: str, owner: str) -> Stream:
        """The stream of this identity, between these two."""
        stream = self.streams.get(identity)
        if stream is None:
            name = f"{identity.hex()} ({owner}'s pool of {client} and {hub})"
            stream = Stream(name, client, hub, owner, self._window_of(client, hub))
            self.streams[identity] = stream
        return stream

    def note(self, stream: Stream, use: Use) -> None:
        """Write a use down, and what is wrong with it."""
        fault = stream.note(use)
        if fault is not None:
            self.faults.append(fault)

    def newest(self, client: str, hub: str) -> list[Stream]:
        """The two streams that a pair began to use last."""
        return [one for one in self.streams.values() if (one.client, one.hub) == (client, hub)][-2:]

    def of(self, node: str) -> list[Stream]:
        """The streams that have this node at one end."""
        return [stream for stream in self.streams.values() if node in (stream.client, stream.hub)]
