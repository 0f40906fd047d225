"""The owner's side of a pool: strictly upward, durable before used, within the window, wiped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.errors import PoolExhaustedError, ReplayError, StorageError
from dsked.limits import WINDOW_PING_RESERVE_BYTES
from dsked.psrd.pool import OwnerPool

from .stores import DiskStream, filled, memory_of, stream_bytes

SIZE = 128 * 1024
DATA = stream_bytes(SIZE)
WIN = 16 * 1024
ID = bytes(16)


def owner(
    window: int | None = None, *, slow: bool = False, sparing: bool = False, start: int = 0
) -> tuple[OwnerPool, DiskStream]:
    store = filled(DATA, slow=slow, sparing=sparing)
    pool = OwnerPool(ID, store, window, start)
    pool.held_end = SIZE
    return pool, store


@given(st.lists(st.integers(1, 40 * 1024), max_size=8))
def test_allocations_follow_each_other_and_give_the_streams_bytes(lengths: list[int]) -> None:
    pool, _ = owner()
    expected = 0
    for length in lengths:
        if expected + length > SIZE:
            with pytest.raises(PoolExhaustedError):
                pool.allocate(length)
            continue
        assert pool.allocate(length) == (expected, DATA[expected : expected + length])
        expected += length
        assert (pool.next, pool.unused) == (expected, SIZE - expected)


def test_what_is_allocated_is_wiped_in_the_stores_memory() -> None:
    pool, store = owner()
    memory = memory_of(store)[0]
    pool.allocate(100)
    assert memory[:100] == bytes(100)
    assert memory[100:] == DATA[100:]


def test_the_peers_end_is_never_passed() -> None:
    pool, _ = owner()
    pool.held_end = 100
    with pytest.raises(PoolExhaustedError, match="101 bytes are needed, 100 are left"):
        pool.allocate(101)
    assert pool.allocate(100) == (0, DATA[:100])
    with pytest.raises(PoolExhaustedError):
        pool.allocate(1)
    assert pool.available() == pool.unused == 0


def test_nothing_is_taken_before_the_mark_is_durable() -> None:
    pool, store = owner(slow=True)
    memory = memory_of(store)[0]
    assert pool.allocate(100) is None
    assert pool.allocate(100) is None
    assert (pool.next, pool.durable, memory) == (0, 0, DATA)
    store.work()
    assert store.mark >= 100
    assert pool.allocate(100) == (0, DATA[:100])


def test_a_quarter_of_what_is_left_is_reserved_and_renewed_when_half_of_it_is_used() -> None:
    pool, store = owner()
    pool.allocate(1000)
    first = 1000 + (SIZE - 1000) // 4
    assert store.asked == [(1000, first)]
    half = first - pool.next - (first - pool.next) // 2
    pool.allocate(half - 1)
    assert len(store.asked) == 1
    pool.allocate(2000)
    assert store.asked[1:] == [(first + 1, pool.next + (SIZE - pool.next) // 4)]
    assert pool.durable == store.mark == store.asked[1][1]


def test_renewal_comes_so_early_that_a_working_disk_is_never_waited_for() -> None:
    pool, store = owner(slow=True)
    assert pool.allocate(100) is None
    store.work()
    while pool.next < SIZE - 1000:  # where a quarter of the rest is more than a frame or two
        assert pool.allocate(100) is not None
        store.work()


def test_one_request_is_under_way_unless_more_is_needed_than_it_makes_sure_of() -> None:
    pool, store = owner(slow=True)
    for length in (100, 100, 50, 200, 200):
        assert pool.allocate(length) is None
    assert [mark for mark, _ in store.asked] == [100, 200]
    store.work()
    assert pool.allocate(200) == (0, DATA[:200])


def test_a_store_that_grants_no_more_than_it_must_is_asked_for_every_frame() -> None:
    pool, store = owner(sparing=True)
    for number in range(1, 20):
        assert pool.allocate(100) is not None
        assert pool.durable == store.mark >= 100 * number


def test_a_full_disk_gives_nothing_and_is_asked_again() -> None:
    pool, store = owner()
    store.full = True
    assert pool.allocate(100) is None
    assert (pool.next, pool.durable, memory_of(store)[0]) == (0, 0, DATA)
    with pytest.raises(StorageError):
        store.check()
    assert pool.allocate(100) is None
    store.full = False
    assert pool.allocate(100) == (0, DATA[:100])


def test_a_disk_that_was_full_is_asked_again_by_a_new_handshake_that_would_need_nothing_of_it() -> None:
    pool, store = owner()
    pool.allocate(100)
    reserved = pool.durable
    store.full = True
    while pool.next < reserved - 1000:
        pool.allocate(500)
    with pytest.raises(StorageError):
        store.check()
    pool.recover()
    with pytest.raises(StorageError):
        store.check()
    store.full = False
    pool.recover()
    store.check()
    assert pool.durable == store.mark == reserved + 1
    asked = len(store.asked)
    pool.recover()
    assert len(store.asked) == asked


def test_a_lost_disk_stops_allocation_at_the_next_renewal() -> None:
    pool, store = owner()
    pool.allocate(100)
    store.lost = True
    with pytest.raises(StorageError):
        while pool.next < SIZE // 2:
            before = pool.next
            pool.allocate(1000)
    assert pool.next == before < pool.durable
    with pytest.raises(StorageError):
        pool.allocate_at(SIZE // 2, 48)
    assert pool.next == before


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=12), st.booleans())
def test_a_restart_burns_and_never_repeats(steps: list[tuple[int, bool]], sparing: bool) -> None:
    """After a crash the owner begins at what the disk holds, which is beyond all that was used."""
    pool, store = owner(slow=True, sparing=sparing)
    used = 0
    for length, disk_works in steps:
        taken = pool.allocate(length)
        if taken is not None:
            assert taken[0] >= used
            used = taken[0] + length
        if disk_works:
            store.work()
        assert used <= store.mark or used == 0


# --- the window ---


def test_ordinary_frames_stop_short_of_the_window_and_a_ping_does_not() -> None:
    pool, _ = owner(WIN)
    ordinary = WIN - WINDOW_PING_RESERVE_BYTES
    assert pool.available() == ordinary
    with pytest.raises(PoolExhaustedError):
        pool.allocate(ordinary + 1)
    assert pool.allocate(ordinary) is not None
    with pytest.raises(PoolExhaustedError):
        pool.allocate(1)
    assert pool.available(urgent=True) == WINDOW_PING_RESERVE_BYTES
    assert pool.allocate(WINDOW_PING_RESERVE_BYTES, urgent=True) is not None
    with pytest.raises(PoolExhaustedError):
        pool.allocate(1, urgent=True)


def test_ordinary_frames_stop_short_of_the_end_as_well_so_that_a_ping_can_tell_of_new_blocks() -> None:
    pool, _ = owner(WIN, start=SIZE - 2000)
    pool.acknowledged(SIZE - 2000)
    assert pool.available() == 2000 - WINDOW_PING_RESERVE_BYTES
    assert pool.available(urgent=True) == 2000


def test_an_ack_moves_the_window_and_an_older_one_does_not_move_it_back() -> None:
    pool, _ = owner(WIN)
    pool.acknowledged(5000)
    pool.acknowledged(4000)
    assert pool.limit(urgent=True) == 5000 + WIN
    assert pool.limit() == 5000 + WIN - WINDOW_PING_RESERVE_BYTES


def test_a_session_with_a_peer_that_acknowledged_less_narrows_the_window() -> None:
    pool, _ = owner(WIN)
    pool.acknowledged(5000)
    pool.begins_session(6000)
    assert pool.limit(urgent=True) == 5000 + WIN
    pool.begins_session(3000)
    assert pool.limit(urgent=True) == 3000 + WIN


@given(st.lists(st.tuples(st.integers(1, 4096), st.integers(0, 2000), st.booleans()), max_size=40))
def test_no_mark_is_made_durable_beyond_the_window(steps: list[tuple[int, int, bool]]) -> None:
    pool, store = owner(WIN)
    for length, ahead, urgent in steps:
        pool.acknowledged(pool.next + ahead)
        if pool.available(urgent=urgent) >= length:
            pool.allocate(length, urgent=urgent)
        assert store.mark <= pool.acked + WIN


@pytest.mark.parametrize("start", [0, 1, WIN, SIZE // 2])
def test_an_owner_that_has_just_started_leaves_the_handshake_alone_until_the_first_ack(start: int) -> None:
    """Its own durable mark is no ack: it may lie a window beyond the last one (the peer told at most
    `start` - WIN before), and a frame sent before the peer answers could meet a restored copy's."""
    pool, _ = owner(WIN, start=start)
    told = max(start - WIN, 0) + 48
    pool.allocate_at(max(told + WIN, start), 48)
    assert pool.available(urgent=True) == 0
    pool.acknowledged(pool.next)
    assert pool.available(urgent=True) == WIN


# --- the handshake's allocation ---


def test_the_handshakes_position_burns_what_lies_before_it_at_once() -> None:
    pool, store = owner(WIN, slow=True)
    memory = memory_of(store)[0]
    assert pool.allocate_at(30_000, 48) == DATA[30_000:30_048]  # beyond ack + WIN: M3 and M4 may
    assert memory[:30_048] == bytes(30_048)
    assert pool.next == 30_048
    assert pool.durable == store.mark == 0
    store.work()
    assert pool.durable == store.mark == 30_048  # and no further: the session's window is not known yet


def test_a_handshake_within_what_is_reserved_asks_for_nothing() -> None:
    pool, store = owner()
    pool.allocate(100)
    asked = list(store.asked)
    assert pool.allocate_at(200, 48) == DATA[200:248]
    assert store.asked == asked


@pytest.mark.parametrize(
    ("position", "error"),
    [(99, ReplayError), (SIZE - 47, PoolExhaustedError), (2**64 - 1, PoolExhaustedError)],
)
def test_the_handshakes_position_is_never_below_the_next_nor_beyond_the_end(
    position: int, error: type[Exception]
) -> None:
    pool, store = owner(WIN)
    pool.allocate(100)
    asked = list(store.asked)
    with pytest.raises(error):
        pool.allocate_at(position, 48)
    assert pool.next == 100
    assert store.asked == asked
