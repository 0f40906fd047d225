"""Chunks in memory are few: whoever gives one up reads the same bytes again, checked as before."""

from __future__ import annotations

import random

import msgspec
import pytest

from dsked.errors import PoolExhaustedError, StorageError
from dsked.psrd.pair import Side
from dsked.storage.block_file import HEADER_BYTES
from dsked.storage.chunks import ChunksInMemory
from tests.storage.lives import block_bytes
from tests.storage.nodes import Node
from tests.storage.test_durable_stream import SIZES, content, stream_of


class Stream:
    def __init__(self) -> None:
        self.given_up = 0

    def give_up_chunk(self) -> None:
        self.given_up += 1


def test_who_has_read_longest_ago_gives_its_chunk_up() -> None:
    chunks, streams = ChunksInMemory(at_most=2), [Stream() for _ in range(3)]
    for number in (0, 1, 0, 2):
        chunks.has_read(streams[number])
    assert [stream.given_up for stream in streams] == [0, 1, 0]
    chunks.forget(streams[0])
    chunks.forget(streams[0])
    chunks.has_read(streams[1])
    assert [stream.given_up for stream in streams] == [1, 1, 0]


@pytest.mark.parametrize("used", [0, 100, 4095, 4096, 5000])
def test_what_was_given_up_is_gone_from_memory_and_read_again(used: int) -> None:
    _, stream, data = stream_of(*SIZES)
    stream.read(4000, 200)
    stream.wipe(used)
    memory = stream._chunk
    stream.give_up_chunk()
    assert not any(memory)
    assert stream.read(used, 3000) == data[used : used + 3000]
    with pytest.raises(PoolExhaustedError):
        stream.read(used - 1, 2)


@pytest.mark.parametrize("damaged", [100, 2000, 4095])
def test_the_rest_of_a_chunk_is_verified_when_it_is_read_again(damaged: int) -> None:
    """Its checksum on the disk is void since bytes of it were used."""
    node, stream, data = stream_of(*SIZES)
    stream.read(0, 100)
    stream.wipe(100)
    stream.give_up_chunk()
    content(node)[HEADER_BYTES + damaged] ^= 1
    with pytest.raises(StorageError, match="damaged at byte 0 of the block"):
        stream.read(100, 16)
    content(node)[HEADER_BYTES + damaged] ^= 1
    assert stream.read(100, 16) == data[100:116]


def test_bytes_that_are_burned_meanwhile_are_not_missed() -> None:
    """They are overwritten on the disk, and no checksum of them is kept."""
    node, stream, data = stream_of(*SIZES)
    stream.read(0, 100)
    stream.wipe(100)
    stream.give_up_chunk()
    stream.reserve(1000, 1000, lambda mark: None)
    stream.wipe(1000)
    assert stream._rest is None
    node.work()
    assert not any(content(node)[HEADER_BYTES : HEADER_BYTES + 1000])
    assert stream.read(1000, 200) == data[1000:1200]


def test_streams_that_share_one_place_get_each_its_own_bytes() -> None:
    node = Node()
    delivery = node.first(*SIZES)
    node.adopt(delivery)
    node.store._chunks._at_most = 1
    streams = {owner: node.store.pairs["hank"].stores[owner] for owner in Side}
    data = {
        owner: b"".join(block_bytes(info.uuid, info.size) for info in delivery.blocks(owner))
        for owner in Side
    }
    at, dice = dict.fromkeys(Side, 0), random.Random(1)
    while min(at.values()) + 600 < 23_097:
        owner, length = dice.choice(list(Side)), dice.randrange(1, 600)
        if at[owner] + length <= 23_097:
            assert streams[owner].read(at[owner], length) == data[owner][at[owner] : at[owner] + length]
            at[owner] += length
            streams[owner].wipe(at[owner])
        assert sum(bool(stream._chunk) for stream in streams.values()) <= 1


def test_streams_that_were_replaced_hold_no_chunk() -> None:
    node = Node()
    node.adopt(node.first(*SIZES))
    old = node.stream()
    old.read(0, 100)
    memory = old._chunk
    node.adopt(msgspec.structs.replace(node.first(*SIZES, seed="other"), replace=True))
    assert node.stream() is not old
    assert not any(memory)
