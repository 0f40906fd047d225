"""The floor of compute: what a key cannot do without, one after the other in one process.

One deal of the whole turn, the tags and pads of all its frames at both ends, one rebuilding with its checks,
by the very functions of the product; no message is encoded, nothing is kept or sent.
"""

from __future__ import annotations

import os
import time

from benching.frames import Frames, of_turn
from benching.shape import Shape
from dsked.auth.pads import apply_pad
from dsked.auth.tags import one_time_tag, verify_one_time_tag
from dsked.limits import KEY_ID_BYTES, ONE_TIME_KEY_BYTES
from dsked.sharing.dealing import deal_columns, rebuild_columns

_TAG_KEY = os.urandom(ONE_TIME_KEY_BYTES)


def cpu_us_per_pair(shape: Shape, seconds: float) -> float:
    """CPU time of one key pair in us, as measured for `seconds`, once at least."""
    turn = Turn(shape)
    turn.run()  # tables are made once
    rounds, begin, cpu = 0, time.perf_counter(), time.thread_time()
    while not rounds or time.perf_counter() < begin + seconds:
        turn.run()
        rounds += 1
    return 1e6 * (time.thread_time() - cpu) / (rounds * shape.keys)


class Turn:
    """All keys of one turn of a shape."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._xs = range(1, shape.hubs + 1)
        self._frames = of_turn(shape)
        self._contents = [bytes(size) for size in _frame_bytes(self._frames)]
        self._secret = bytes(self._frames.secret)
        self._pad = os.urandom(self._frames.secret)

    def run(self) -> None:
        """Both halves. Raises RuntimeError where what was rebuilt is not what was dealt."""
        shape, terms = self._shape, self._shape.terms
        ids = os.urandom(shape.keys * KEY_ID_BYTES)
        keys = os.urandom(shape.keys * shape.key_bytes)
        hubs = deal_columns(ids, keys, terms, self._xs, os.urandom)
        for _ in range(shape.hubs * self._frames.number):
            self._carry_frames()
        columns = [(x, hub.shares, hub.codes) for x, hub in zip(self._xs, hubs, strict=True)][: shape.k]
        key_ids = [ids[start : start + KEY_ID_BYTES] for start in range(0, len(ids), KEY_ID_BYTES)]
        rebuilt = rebuild_columns(terms, key_ids, columns)
        if None in rebuilt or b"".join(filter(None, rebuilt)) != keys:
            raise RuntimeError("what was rebuilt is not what was dealt")

    def _carry_frames(self) -> None:
        """Seal and open one frame of each kind; two of them carry secrets."""
        for content in self._contents:
            verify_one_time_tag(_TAG_KEY, content, one_time_tag(_TAG_KEY, content))
        for _ in range(2):
            apply_pad(apply_pad(self._secret, self._pad), self._pad)


def _frame_bytes(frames: Frames) -> tuple[int, ...]:
    return frames.put, frames.put_ack, frames.get, frames.shares
