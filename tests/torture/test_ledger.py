"""The accounts: a byte used twice is noticed whatever the order, and waste is counted against its causes."""

from __future__ import annotations

import random

import pytest

from scripts.torturing.ledger import HANDSHAKE_BYTES, Ledger, Origin, Reuse, Stream, Use, Waste

WIN = 16 * 1024
START = WIN // 2 + WIN  # what a process may waste when it begins on a stream


def stream(window: int | None = WIN) -> Stream:
    return Stream("s", "carol", "hank", "carol", window)


def use(start: int, end: int, *, connection: int = 0, piece: int = 0, kind: str = "PING") -> Use:
    return Use(start, end, kind, Origin(connection, piece))


@pytest.mark.parametrize(
    ("start", "end"),
    [(100, 200), (100, 101), (199, 200), (90, 101), (199, 300), (90, 300), (120, 130)],
)
def test_any_overlap_is_reuse_and_names_both(start: int, end: int) -> None:
    one = stream()
    first = use(100, 200, connection=3, piece=7, kind="PUT_SHARES")
    assert one.note(first) is None
    second = use(start, end, connection=5, piece=1, kind="M3")
    assert one.note(second) == Reuse("s", first, second)


def test_neighbours_do_not_overlap() -> None:
    one = stream()
    for start, end in ((100, 200), (200, 300), (0, 100), (400, 500), (300, 400)):
        assert one.note(use(start, end)) is None
    assert (one.nr_uses, one.used, one.highest) == (5, 500, 500)


def test_as_a_map_of_bytes_would_tell() -> None:
    """Against a naive ledger with a flag per byte, over random uses in any order."""
    seeded = random.Random(7)
    for _ in range(200):
        one, taken = stream(), bytearray(400)
        for _ in range(30):
            start = seeded.randrange(380)
            end = start + seeded.randint(1, 20)
            reused = any(taken[start:end])
            fault = one.note(use(start, end))
            assert isinstance(fault, Reuse) == reused
            if not reused:
                taken[start:end] = b"\1" * (end - start)
        assert one.used == sum(taken)


def test_a_longer_use_far_below_is_seen_behind_a_nearer_one() -> None:
    """Uses are disjoint, so that the nearest neighbours are all that can overlap."""
    one = stream()
    one.note(use(0, 1000))
    one.note(use(1000, 1010))
    assert isinstance(one.note(use(999, 1000)), Reuse)


# --- waste ---


def test_a_start_may_pass_over_a_reservation_and_a_window() -> None:
    one = stream()
    assert one.note(use(START, START + 48)) is None
    assert one.wasted == START


def test_nothing_else_may_be_passed_over() -> None:
    one = stream()
    one.note(use(START, START + 48))
    one.settled()
    assert one.note(use(START + 48, START + 100)) is None
    assert one.note(use(START + 101, START + 200)) == Waste("s", START + 101, 1, 0, Origin(0, 0))


def test_each_kill_allows_as_much_again_until_keys_flow() -> None:
    one = stream()
    one.settled()
    one.killed()
    one.killed()
    assert one.note(use(2 * START, 2 * START + 48)) is None
    assert isinstance(one.note(use(2 * START + 49, 2 * START + 60)), Waste)
    one.killed()
    one.settled()
    assert isinstance(one.note(use(2 * START + 61, 2 * START + 70)), Waste)


def test_each_attempt_allows_48_bytes() -> None:
    one = stream()
    one.settled()
    for _ in range(3):
        one.attempted()
    assert one.note(use(3 * HANDSHAKE_BYTES, 200)) is None
    assert isinstance(one.note(use(201, 300)), Waste)


def test_a_stream_whose_end_was_restored_is_not_judged_until_keys_flow() -> None:
    one = stream()
    one.settled()
    one.excused = True
    assert one.note(use(10 * START, 10 * START + 48)) is None
    assert one.wasted == 0
    one.settled()
    assert isinstance(one.note(use(20 * START, 20 * START + 48)), Waste)


def test_simulated_pools_have_no_window_and_are_not_judged() -> None:
    assert stream(window=None).note(use(10**6, 10**6 + 1)) is None


def test_the_ledger_keeps_streams_apart_and_all_faults() -> None:
    ledger = Ledger(lambda client, hub: WIN)
    mine, other = (ledger.stream(identity, "carol", "hank", "carol") for identity in (b"1" * 16, b"2" * 16))
    assert ledger.stream(b"1" * 16, "carol", "hank", "carol") is mine
    for one in (mine, other, mine):
        ledger.note(one, use(0, 48))
    assert [type(fault) for fault in ledger.faults] == [Reuse]
    assert ledger.of("hank") == [mine, other]
    assert ledger.of("helen") == []
