"""Recorded sessions, and what somebody who has them sends: whole or in part, mixed, or to another than they
were meant for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple, cast

from torturing.recorder import Line
from torturing.tap import Way

from dsked.limits import MAX_FRAME_BYTES
from dsked.wire.frame import FrameBuffer


class Recording(NamedTuple):
    """One session: its handshake messages and frames, by direction. `pair`: (client, hub)."""

    pair: tuple[str, str]
    sent: dict[Way, list[bytes]]


def recordings_of(lines: list[Line]) -> list[Recording]:
    """The sessions that got as far as frames in both directions."""
    found = []
    for line in lines:
        sent = {way: [piece.raw for piece in line.pieces if piece.way is way] for way in Way}
        if len(sent[Way.TO_HUB]) > 2 and len(sent[Way.TO_CLIENT]) > 3:
            found.append(Recording(line.pair, sent))
    return found


class Repertoire:
    """What is sent to one end, `way`, of a pair; `hub` is the one attacked, or the one that is played."""

    def __init__(self, recordings: list[Recording], hub: str, way: Way, rng: random.Random) -> None:
        self._mine = [one.sent for one in recordings if one.pair[1] == hub]
        self._others = [one.sent for one in recordings if one.pair[1] != hub]
        self._way, self._random = way, rng
        self._other_way = next(other for other in Way if other is not way)
        self._handshake = 2 if way is Way.TO_HUB else 3
        self.tricks: list[Callable[[], list[bytes]]] = [
            self._whole, self._handshake_alone, self._frames, self._one, self._mixed, self._of_others,
            self._reflected, self._anything,
        ]  # fmt: skip

    def pieces(self, most: int) -> list[bytes]:
        """Some, at most so many."""
        return self._random.choice(self.tricks)()[:most]

    def _whole(self) -> list[bytes]:
        return self._random.choice(self._mine)[self._way]

    def _handshake_alone(self) -> list[bytes]:
        return self._whole()[: self._handshake]

    def _frames(self) -> list[bytes]:
        """Of a session, from any place on."""
        frames = self._whole()[self._handshake :]
        return frames[self._random.randrange(len(frames)) :]

    def _one(self) -> list[bytes]:
        return [self._random.choice(self._whole())]

    def _mixed(self) -> list[bytes]:
        """Every message of the handshake from another session, and then frames of yet another."""
        return [self._whole()[place] for place in range(self._handshake)] + self._frames()

    def _of_others(self) -> list[bytes]:
        return self._random.choice(self._others)[self._way]

    def _reflected(self) -> list[bytes]:
        """What this end has said itself."""
        return self._random.choice(self._mine)[self._other_way]

    def _anything(self) -> list[bytes]:
        sessions = self._random.choices(self._mine + self._others, k=8)
        pieces = [piece for session in sessions for way in Way for piece in session[way][:8]]
        self._random.shuffle(pieces)
        return pieces


class Replay(asyncio.Protocol):
    """One connection on which recorded pieces are sent, and what the other end says to that.

    `patient`: only the first piece at once (none to a hub), the rest when the other end has said something.
    """

    def __init__(self, pieces: list[bytes], *, to_hub: bool, patient: bool) -> None:
        now = 0 if patient and to_hub else 1 if patient else len(pieces)
        self._now, self._later = b"".join(pieces[:now]), b"".join(pieces[now:])
        self.nr_pieces = len(pieces)
        self.transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: list[bytes] = []
        self._buffer = FrameBuffer(MAX_FRAME_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write(self._now)

    def data_received(self, data: bytes) -> None:
        self.heard += self._buffer.feed(data)
        self._write(self._later)
        self._later = b""

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
