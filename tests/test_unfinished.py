"""Pieces that begin to arrive and do not end."""

from __future__ import annotations

import gc
import weakref

from dsked.timers import Timers
from dsked.unfinished import UnfinishedPieces


class Line:
    """A connection."""

    def __init__(self) -> None:
        self.unfinished: int | None = None


class Watched:
    def __init__(self) -> None:
        self.timers = Timers()
        self.given_up: list[tuple[Line, float]] = []
        self.pieces = UnfinishedPieces[Line](
            self.timers, 10.0, lambda line, now: self.given_up.append((line, now))
        )

    def receive(self, line: Line, unfinished: int | None, now: float) -> None:
        line.unfinished = unfinished
        self.pieces.received(line, now)


def test_one_that_does_not_end_is_given_up_once() -> None:
    watched, line = Watched(), Line()
    watched.receive(line, 3, 100.0)
    watched.receive(line, 3, 109.0)  # a byte more changes nothing
    watched.timers.run_due(109.9)
    assert watched.given_up == []
    watched.timers.run_due(110.0)
    assert watched.given_up == [(line, 110.0)]
    watched.timers.run_due(200.0)
    assert len(watched.given_up) == 1


def test_each_piece_has_its_own_time() -> None:
    watched, line = Watched(), Line()
    watched.receive(line, 3, 100.0)
    watched.receive(line, 4, 108.0)
    watched.timers.run_due(110.0)
    assert (watched.given_up, watched.timers.next_deadline()) == ([], 118.0)
    watched.timers.run_due(118.0)
    assert watched.given_up == [(line, 118.0)]


def test_what_ended_or_is_gone_is_not_watched() -> None:
    watched, ended, gone = Watched(), Line(), Line()
    for line in (ended, gone):
        watched.receive(line, 0, 100.0)
    watched.receive(ended, None, 101.0)
    watched.pieces.forget(gone)
    watched.timers.run_due(120.0)
    assert (watched.given_up, watched.timers.next_deadline()) == ([], None)


def test_there_is_one_timer_for_a_connection() -> None:
    watched, line = Watched(), Line()
    for piece in range(1000):
        watched.receive(line, piece, 100.0)
        watched.receive(line, None, 100.0)
    watched.timers.run_due(110.0)
    assert watched.timers.next_deadline() is None


def test_nothing_keeps_a_connection_that_is_gone() -> None:
    watched, line = Watched(), Line()
    watched.receive(line, 0, 100.0)
    gone = weakref.ref(line)
    watched.pieces.forget(line)
    del line
    gc.collect()
    assert gone() is None, "whoever comes and goes would fill the memory until their limits have passed"
