"""The stream in memory: bytes by position over blocks, wiping, blocks given again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.errors import PoolExhaustedError
from dsked.psrd.store import MemoryStream

from .stores import filled, memory_of, stream_bytes

DATA = stream_bytes(100)


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40))),
)
def test_reads_see_one_stream_whatever_the_blocks(sizes: list[int], reads: list[tuple[int, int]]) -> None:
    stream = stream_bytes(sum(sizes))
    store = filled(stream, *sizes)
    wiped = 0
    for skip, length in reads:
        if wiped + skip + length <= len(stream):
            wiped += skip
            store.wipe(wiped)
            assert store.read(wiped, length) == stream[wiped : wiped + length]
    assert [info.size for info in store.blocks()] == [
        size for i, size in enumerate(sizes) if sum(sizes[: i + 1]) > wiped
    ]
    assert store.end == len(stream)


def test_wiped_bytes_are_zero_in_memory_and_cannot_be_read() -> None:
    store = filled(DATA, 40, 40, 20)
    memory = memory_of(store)
    store.wipe(50)
    assert memory[0] == bytes(40)
    assert memory[1] == bytes(10) + DATA[50:80]
    assert memory[2] == DATA[80:]
    with pytest.raises(PoolExhaustedError):
        store.read(49, 2)
    assert store.read(50, 2) == DATA[50:52]
    store.wipe(10)  # an earlier mark brings nothing back
    with pytest.raises(PoolExhaustedError):
        store.read(49, 1)


@pytest.mark.parametrize(("position", "length"), [(0, 101), (100, 1), (99, 2), (1000, 16)])
def test_nothing_is_read_beyond_the_end(position: int, length: int) -> None:
    with pytest.raises(PoolExhaustedError):
        filled(DATA).read(position, length)


def test_a_block_is_given_again_until_a_byte_of_it_is_wiped() -> None:
    store = filled(DATA, 40, 60)
    assert store.next_sequence == 2
    info, data = store.block(1) or pytest.fail("block 1 is there")
    assert (info.sequence, info.start, info.end, info.size, data) == (1, 40, 100, 60, DATA[40:])
    store.wipe(40)
    assert store.block(0) is None
    assert store.block(1) == (info, DATA[40:])
    store.wipe(41)
    assert store.block(1) is None
    assert store.block(2) is None


def test_sequence_numbers_go_on_when_blocks_are_used_up() -> None:
    store = filled(DATA, 100)
    store.wipe(100)
    info = store.append(bytes(16), b"more")
    assert (info.sequence, info.start) == (1, 100)
    assert store.read(100, 4) == b"more"


def test_a_mark_in_memory_is_durable_at_once() -> None:
    marks: list[int] = []
    MemoryStream().reserve(7, 9, marks.append)
    assert marks == [9]
