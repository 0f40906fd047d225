"""The receiver's side of a pool: one mark, replays refused, gaps burned only by a verified tag."""

from __future__ import annotations

import pytest

from dsked.errors import ReplayError, StorageError, WindowError
from dsked.limits import HANDSHAKE_PAD_BYTES
from dsked.psrd.pair import Promises
from dsked.psrd.pool import ReceiverPool, window_bytes

from .stores import DiskStream, filled, memory_of, stream_bytes

SIZE = 128 * 1024
DATA = stream_bytes(SIZE)
WIN = 16 * 1024
ID = bytes(16)


def receiver(window: int | None = None, *, slow: bool = False) -> tuple[ReceiverPool, DiskStream]:
    store = filled(DATA, slow=slow)
    return ReceiverPool(ID, store, window), store


def test_reading_uses_nothing_up() -> None:
    pool, store = receiver()
    for _ in range(2):
        assert pool.read(1000, 100) == DATA[1000:1100]
    assert (pool.mark, pool.durable, memory_of(store)[0], store.asked) == (0, 0, DATA, [])


def test_a_verified_frame_burns_the_gap_before_it_and_is_wiped() -> None:
    pool, store = receiver()
    memory = memory_of(store)[0]
    pool.read(1000, 100)
    assert memory == DATA
    pool.advance(1100)
    assert memory[:1100] == bytes(1100)
    assert memory[1100:] == DATA[1100:]
    assert (pool.mark, pool.unused) == (1100, SIZE - 1100)


def tell_durable(pool: ReceiverPool) -> int:
    """What a handshake tells, as soon as it may leave."""
    return Promises().tell(pool, pool.mark_to_tell)


@pytest.mark.parametrize("position", [0, 999, 1000, 1099])
def test_below_the_mark_all_is_a_replay(position: int) -> None:
    pool, _ = receiver()
    pool.advance(1100)
    with pytest.raises(ReplayError):
        pool.read(position, 16)
    assert pool.read(1100, 16) == DATA[1100:1116]


@pytest.mark.parametrize(
    ("position", "length"), [(SIZE - 15, 16), (SIZE, 16), (2**64 - 1, 16), (0, SIZE + 1)]
)
def test_beyond_what_is_held_nothing_is_read(position: int, length: int) -> None:
    pool, _ = receiver()
    with pytest.raises(WindowError):
        pool.read(position, length)


def test_a_mark_never_goes_back() -> None:
    pool, _ = receiver()
    pool.advance(100)
    with pytest.raises(AssertionError):
        pool.advance(99)


# --- the window ---


def test_the_window_counts_from_the_last_ack_sent_not_from_the_mark() -> None:
    pool, _ = receiver(WIN)
    pool.read(WIN - 16, 16)
    pool.advance(WIN)
    with pytest.raises(WindowError):
        pool.read(WIN, 16)  # its ack has not left yet
    told = pool.tell()
    assert told == WIN + WIN // 2
    assert pool.read(told + WIN - 16, 16) == DATA[told + WIN - 16 : told + WIN]
    with pytest.raises(WindowError):
        pool.read(told + WIN - 15, 16)


@pytest.mark.parametrize(("beyond", "accepted"), [(-1, True), (0, True), (1, False)])
def test_a_handshake_may_begin_where_the_window_ends(beyond: int, accepted: bool) -> None:
    pool, _ = receiver(WIN)
    position = tell_durable(pool) + WIN + beyond
    if accepted:
        assert pool.read_proof(position) == DATA[position : position + HANDSHAKE_PAD_BYTES]
    else:
        with pytest.raises(WindowError):
            pool.read_proof(position)
    with pytest.raises(WindowError):
        pool.read(position, HANDSHAKE_PAD_BYTES)


def test_a_handshake_below_the_mark_or_beyond_the_end_is_refused() -> None:
    pool, _ = receiver()
    pool.advance(100)
    with pytest.raises(ReplayError):
        pool.read_proof(99)
    with pytest.raises(WindowError):
        pool.read_proof(SIZE - HANDSHAKE_PAD_BYTES + 1)


def test_full_windows_are_told_in_time() -> None:
    """Whatever was used, the mark to tell lies a quarter of the window beyond the one told, at most."""
    pool, _ = receiver(WIN)
    pool.tell()
    used = 0
    while not pool.tell_now:
        used += 100
        pool.advance(used)
    assert used <= WIN // 4
    pool.tell()
    assert not pool.tell_now
    while pool.mark + 100 <= pool.told + WIN and not pool.tell_now:
        pool.advance(pool.mark + 100)
    assert pool.tell_now
    assert pool.told + WIN - pool.mark >= WIN // 2


def test_a_simulated_pool_has_nothing_to_tell_at_once() -> None:
    pool, _ = receiver()
    pool.advance(SIZE)
    assert not pool.tell_now


# --- durable marks ---


@pytest.mark.parametrize(
    ("window", "ahead"), [(None, (SIZE - 16) // 4), (WIN, WIN // 2), (10 * SIZE, (SIZE - 16) // 4)]
)
def test_marks_are_durable_ahead_and_renewed_at_half(window: int | None, ahead: int) -> None:
    pool, store = receiver(window)
    pool.advance(16)
    assert store.asked == [(16, 16 + ahead)]
    half = ahead - ahead // 2
    pool.advance(16 + half - 1)
    assert len(store.asked) == 1
    pool.advance(16 + half + 1)
    assert len(store.asked) == 2
    assert store.asked[1][0] == 17 + ahead
    assert pool.durable == store.mark == store.asked[1][1]


def test_near_the_end_no_more_than_a_quarter_of_the_rest_is_reserved() -> None:
    pool, store = receiver(WIN)
    pool.told = SIZE
    for mark in range(SIZE - 10_000, SIZE + 1, 100):
        pool.advance(mark)
        assert mark <= store.mark <= mark + (SIZE - mark) // 4 + 1000


def test_one_request_is_under_way_unless_a_frame_jumps_over_it() -> None:
    pool, store = receiver(WIN, slow=True)
    for mark in (100, 100, 2000, 2000):
        pool.advance(mark)
    assert [mark for mark, _ in store.asked] == [100, 2000]


def test_only_a_durable_mark_is_told() -> None:
    pool, store = receiver(WIN, slow=True)
    pool.advance(100)
    assert pool.tell() == 0
    store.work()
    assert pool.tell() == store.mark == 100 + WIN // 2


def test_every_handshake_tells_48_more_which_leaves_once_it_is_durable() -> None:
    pool, store = receiver(WIN, slow=True)
    promises = Promises()
    assert [promises.tell(pool, pool.mark_to_tell) for _ in range(3)] == [48, 96, 144]
    assert not promises.kept
    assert (pool.told, pool.durable) == (144, 0)
    store.work()
    assert promises.kept
    assert store.mark >= 144


def test_a_handshake_tells_the_mark_at_least_and_no_more_than_it_must() -> None:
    pool, store = receiver(WIN)
    tell_durable(pool)
    pool.advance(1000)
    asked = len(store.asked)
    assert tell_durable(pool) == 1000
    assert len(store.asked) == asked  # durable already: no write for a reconnect
    assert pool.durable > 1000
    acknowledged = pool.tell()
    assert tell_durable(pool) == acknowledged + HANDSHAKE_PAD_BYTES <= store.mark


def test_a_full_disk_keeps_no_promise_until_it_is_asked_again() -> None:
    pool, store = receiver(WIN)
    store.full = True
    promises = Promises()
    promises.tell(pool, pool.mark_to_tell)
    assert not promises.kept
    assert pool.durable == 0
    store.full = False
    again = Promises()
    again.tell(pool, pool.mark_to_tell)
    assert again.kept and promises.kept


def test_a_lost_disk_tells_nothing() -> None:
    pool, store = receiver(WIN)
    store.lost = True
    with pytest.raises(StorageError):
        tell_durable(pool)
    assert (pool.told, pool.durable) == (0, 0)


@pytest.mark.parametrize(
    ("size", "window"),
    [(0, 16_384), (2**20, 16_384), (2**20 + 64, 16_385), (2**23, 2**17), (2**26, 2**20), (2**40, 2**20)],
)
def test_window_of_a_media_pool(size: int, window: int) -> None:
    assert window_bytes(size) == window
