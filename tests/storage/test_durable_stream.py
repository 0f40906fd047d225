"""One stream over block files: what it gives, what it refuses, when its marks stand."""

from __future__ import annotations

import itertools

import pytest
from simulating.disks.files import SimulatedFiles, fails_at, no_fault

from dsked.errors import PoolExhaustedError, StorageError
from dsked.limits import MIN_RESERVATION_BYTES
from dsked.psrd.pair import Side
from dsked.storage.block_file import CHUNK_BYTES, HEADER_BYTES
from dsked.storage.durable_stream import DurableStream
from dsked.storage.open_blocks import block_path
from tests.storage.lives import block_bytes
from tests.storage.nodes import Node

SIZES = (10_000, 4096, 1, 9000)


def stream_of(*sizes: int) -> tuple[Node, DurableStream, bytes]:
    """A node with one pair, its client stream and the stream's bytes."""
    node = Node()
    delivery = node.first(*sizes)
    node.adopt(delivery)
    return node, node.stream(), b"".join(block_bytes(info.uuid, info.size) for info in delivery.client_blocks)


def content(node: Node, number: int = 0) -> bytearray:
    """What programs see of a block's file."""
    assert isinstance(node.files, SimulatedFiles)
    uuid = node.store.pairs["hank"].record.client_stream.blocks[number].uuid
    return node.files.disk.file(block_path(node.state.blocks, uuid)).seen


def calls(node: Node) -> int:
    assert isinstance(node.files, SimulatedFiles)
    return node.files.nr_calls


EDGES = [0, 1, 4095, 4096, 8192, 9999, 10_000, 10_001, 14_095, 14_096, 14_097, 20_000, 23_096, 23_097]


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations(EDGES, 2)))
def test_it_gives_the_streams_bytes_across_chunks_and_blocks(low: int, high: int) -> None:
    _, stream, data = stream_of(*SIZES)
    assert stream.end == 23_097 and stream.nr_blocks == 4
    assert stream.read(low, high - low) == data[low:high]
    assert stream.read(low, high - low) == data[low:high]


def test_small_reads_that_follow_each_other_touch_the_disk_once_a_chunk() -> None:
    node, stream, data = stream_of(*SIZES)
    before = calls(node)
    for position in range(0, 8192, 16):
        assert stream.read(position, 16) == data[position : position + 16]
        stream.wipe(position + 16)
    assert calls(node) - before <= 1 + 2 * 2  # open; bytes and checksum of two chunks


def test_what_was_used_is_not_given_again() -> None:
    _, stream, data = stream_of(*SIZES)
    stream.wipe(100)
    with pytest.raises(PoolExhaustedError):
        stream.read(99, 2)
    assert stream.read(100, 50) == data[100:150]
    stream.wipe(50)  # never backwards
    with pytest.raises(PoolExhaustedError):
        stream.read(60, 2)


def test_used_bytes_are_gone_from_memory_at_once() -> None:
    _, stream, _ = stream_of(*SIZES)
    stream.read(0, 200)
    stream.wipe(150)
    assert not any(stream._chunk[:150]) and any(stream._chunk[150:200])


@pytest.mark.parametrize(("position", "length"), [(23_097, 1), (23_000, 98), (0, 30_000), (99_999, 5)])
def test_nothing_beyond_the_end(position: int, length: int) -> None:
    _, stream, _ = stream_of(*SIZES)
    with pytest.raises(PoolExhaustedError):
        stream.read(position, length)


@pytest.mark.parametrize("damaged", [5000, 4096, 8191])
def test_a_damaged_chunk_gives_no_byte(damaged: int) -> None:
    node, stream, data = stream_of(*SIZES)
    content(node)[HEADER_BYTES + damaged] ^= 1
    assert stream.read(0, 4096) == data[:4096]
    for position in (4096, 5000, 8000):
        with pytest.raises(StorageError, match="damaged at byte 4096 of the block"):
            stream.read(position, 16)
    assert stream.read(8192, 100) == data[8192:8292]


@pytest.mark.parametrize("start", [0, 100, CHUNK_BYTES])
def test_a_file_of_zeros_is_never_a_pad(start: int) -> None:
    """Not even in the chunk that the mark lies in, whose checksum is wiped."""
    node, stream, _ = stream_of(*SIZES)
    stream.reserve(start, start, lambda mark: None)
    stream.wipe(start)
    node.work()
    at = HEADER_BYTES + start
    content(node)[at:] = bytes(len(content(node)) - at)
    node.store.close()
    again = Node(node.files).stream()
    for length in (16, 64, 4000):
        with pytest.raises(StorageError, match="damaged at byte"):
            again.read(start, length)


def test_after_a_restart_inside_a_chunk_its_rest_is_given() -> None:
    node, stream, data = stream_of(*SIZES)
    stream.reserve(5000, 5000, lambda mark: None)
    stream.wipe(5000)
    node.work()
    assert not any(content(node)[HEADER_BYTES : HEADER_BYTES + 5000])
    node.store.close()
    again = Node(node.files).stream()
    assert again.used == 5000 and again.read(5000, 6000) == data[5000:11_000]


def test_blocks_are_counted_while_they_hold_unread_bytes() -> None:
    _, stream, _ = stream_of(*SIZES)
    left = []
    for position in (9999, 10_000, 14_096, 14_097, 23_097):
        stream.wipe(position)
        left.append((stream.nr_blocks, [info.sequence for info in stream.blocks()]))
    assert left == [(4, [0, 1, 2, 3]), (3, [1, 2, 3]), (2, [2, 3]), (1, [3]), (0, [])]


# -- marks -----------------------------------------------------------------------------------------


def test_a_mark_is_told_when_it_is_durable_and_not_before() -> None:
    node, stream, _ = stream_of(*SIZES)
    told: list[int] = []
    changes: list[int] = []
    stream.changed = lambda: changes.append(len(told))
    stream.reserve(100, 100, told.append)
    assert told == []
    node.store.committer.commit()
    assert told == []  # the loop has not heard of it
    node.run_posted()
    assert told == [100] and changes == [1]
    assert stream.committed == 100


@pytest.mark.parametrize(("mark", "at_most", "expected"), [
    (100, 100, 100), (100, 50_000, MIN_RESERVATION_BYTES), (100, 2000, 2000), (9000, 50_000, 9000),
])  # fmt: skip
def test_the_mark_runs_ahead_within_bounds(mark: int, at_most: int, expected: int) -> None:
    node, stream, _ = stream_of(*SIZES)
    told: list[int] = []
    stream.reserve(mark, at_most, told.append)
    node.work()
    assert told == [expected]


def test_marks_never_fall() -> None:
    node, stream, _ = stream_of(*SIZES)
    told: list[int] = []
    stream.reserve(9000, 9000, told.append)
    node.work()
    stream.reserve(9001, 9001, told.append)
    stream.reserve(100, 100, told.append)
    node.work()
    assert min(told) >= 9000 and stream.committed == 9001


def test_what_waits_for_more_goes_on_waiting() -> None:
    """A second request that comes while the disk works is answered by the next round."""
    node, stream, _ = stream_of(*SIZES)
    told: list[str] = []
    stream.reserve(100, 100, lambda mark: told.append(f"first {mark}"))
    node.store.committer.commit()
    stream.reserve(200, 200, lambda mark: told.append(f"second {mark}"))
    node.run_posted()
    assert told == ["first 100"]
    node.work()
    assert told == ["first 100", "second 200"]


def test_a_thousand_asks_while_the_disk_hangs_are_two() -> None:
    """Every handshake asks for a little more; memory must not grow with their number."""
    node, stream, _ = stream_of(*SIZES)
    told: list[int] = []
    for mark in range(48, 48_000, 48):
        stream.reserve(mark, mark, told.append)
    assert len(stream._waiting) == 2
    node.work()
    assert max(told) >= 48_000 - 48 and stream.committed == max(told) and not stream._waiting


def test_a_mark_that_became_durable_when_nobody_waited_is_told_to_who_asks_for_it() -> None:
    """The disk may be asked for more while it works on less, by somebody whom the less is enough for."""
    node, stream, _ = stream_of(*SIZES)
    told: list[int] = []
    stream.reserve(100, 100, told.append)
    node.store.committer.commit()
    stream.reserve(90, 3000, told.append)
    node.run_posted()
    assert told == [100, 100]
    node.work()
    assert stream.committed == 3000 and told == [100, 100]
    stream.reserve(2000, 2000, told.append)
    node.work()
    assert told == [100, 100, 3000]


def test_a_write_that_fails_is_tried_again_when_asked_again() -> None:
    node, stream, _ = stream_of(*SIZES)
    assert isinstance(node.files, SimulatedFiles)
    told: list[int] = []
    stream.reserve(100, 100, told.append)
    node.files.fault = fails_at(calls(node), 28)
    node.work()
    node.files.fault = no_fault
    assert told == [0] and stream.committed == 0
    with pytest.raises(StorageError, match="marks: cannot be written: No space left on device"):
        stream.check()
    assert "it is tried again" in node.notices[0]
    stream.reserve(100, 100, told.append)
    stream.check()
    node.work()
    assert told == [0, 100]


def test_a_sync_that_fails_is_never_tried_again() -> None:
    node, stream, _ = stream_of(*SIZES)
    assert isinstance(node.files, SimulatedFiles)
    told: list[int] = []
    stream.reserve(100, 100, told.append)
    node.files.fault = fails_at(calls(node) + 1, 5)
    node.work()
    node.files.fault = no_fault
    for _ in range(3):
        with pytest.raises(StorageError, match="marks: cannot be synced: Input/output error"):
            stream.reserve(100, 100, told.append)
        with pytest.raises(StorageError, match="marks: cannot be synced"):
            stream.read(0, 16)
        with pytest.raises(StorageError, match="marks: cannot be synced"):
            stream.check()
        node.work()
    assert told == [0] and stream.committed == 0
    assert "until the node is started anew" in node.notices[0] and len(node.notices) == 1
    node.store.close()
    again = Node(node.files).stream()
    again.reserve(again.used + 100, again.used + 100, told.append)


def test_a_failed_sync_leaves_the_pools_of_other_rounds_alone() -> None:
    node, stream, _ = stream_of(*SIZES)
    assert isinstance(node.files, SimulatedFiles)
    other = node.stream(owner=Side.HUB)
    stream.reserve(100, 100, lambda mark: None)
    node.files.fault = fails_at(calls(node) + 1, 5)
    node.work()
    node.files.fault = no_fault
    told: list[int] = []
    other.reserve(100, 100, told.append)
    node.work()
    assert told == [100]
    other.check()
