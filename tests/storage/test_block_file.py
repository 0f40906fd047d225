"""A block's file: what is in it, what damage is found, what wiping leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulating.disks.disk import Disk
from simulating.disks.files import SimulatedFiles, fails_at, no_fault

from dsked.errors import StorageError
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.block_file import CHECKSUM_BYTES, CHUNK_BYTES, HEADER_BYTES, BlockWriter
from dsked.storage.files import OpenFile
from tests.storage.lives import block_bytes

PATH = Path("/a.block")
UUID, STREAM = b"U" * 16, b"S" * 16
SIZES = [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 300 * CHUNK_BYTES + 17]


def info_of(size: int) -> BlockInfo:
    return BlockInfo(3, UUID, 1000, size)


def written(size: int, piece: int = 10_000) -> tuple[SimulatedFiles, OpenFile]:
    """A block's file, written in pieces, open for writing."""
    files = SimulatedFiles(Disk())
    writer = BlockWriter(files, PATH, STREAM, info_of(size))
    data = block_bytes(UUID, size)
    for at in range(0, size, piece):
        writer.write(data[at : at + piece])
    writer.finish()
    assert files.nr_open == 0
    return files, files.open(PATH, write=True)


def damage(files: SimulatedFiles, file: OpenFile, at: int) -> None:
    byte = files.read_at(file, 1, at)[0]
    files.write_at(file, bytes([byte ^ 1]), at)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [777, CHUNK_BYTES, 1_000_000])
def test_what_is_written_is_read(size: int, piece: int) -> None:
    files, file = written(size, piece)
    block_file.check_header(files, file, STREAM, info_of(size))
    assert files.size(file) == block_file.file_bytes(size)
    assert sum(block_file.verify(files, file, size)) == size
    data, sums = block_file.read_chunks(files, file, size, 0, block_file.nr_chunks(size))
    assert data == block_bytes(UUID, size) and sums == block_file.chunk_checksums(data)


def test_the_file_is_durable_when_it_is_finished() -> None:
    files, _ = written(5000)
    assert files.disk.file(PATH).is_synced


@pytest.mark.parametrize("at", [*range(110), 2000])
def test_no_damage_of_the_header_is_overlooked(at: int) -> None:
    files, file = written(100)
    before = block_file.read_header(files, file)
    damage(files, file, at)
    used = len(block_file.encode_header(STREAM, info_of(100)).rstrip(b"\0"))
    if at >= used:
        assert block_file.read_header(files, file) == before  # padding tells nothing
        return
    with pytest.raises(StorageError, match=r"^/a.block: "):
        block_file.read_header(files, file)


def test_another_version_is_refused_by_name() -> None:
    files, file = written(100)
    files.write_at(file, b"2", 7)
    with pytest.raises(StorageError, match="version b'2'; expected '1'"):
        block_file.read_header(files, file)


@pytest.mark.parametrize("fields", [b"", b"\xc1", b"\x91\x01", b"\x95\x01\x02\x03\x04\x05", b"\x95" * 9])
def test_a_header_with_a_good_checksum_and_nonsense_inside_is_refused(fields: bytes) -> None:
    files, file = written(100)
    head = block_file.MAGIC + len(fields).to_bytes(4, "big") + fields
    files.write_at(file, head + block_file.checksum(head), 0)
    with pytest.raises(StorageError, match="the header is damaged"):
        block_file.read_header(files, file)


@pytest.mark.parametrize(
    ("stream", "info"),
    [
        (b"T" * 16, info_of(100)),
        (STREAM, BlockInfo(3, b"V" * 16, 1000, 100)),
        (STREAM, BlockInfo(4, UUID, 1000, 100)),
        (STREAM, BlockInfo(3, UUID, 1001, 100)),
        (STREAM, BlockInfo(3, UUID, 1000, 101)),
    ],
)
def test_another_block_in_its_place_is_refused(stream: bytes, info: BlockInfo) -> None:
    files, file = written(100)
    with pytest.raises(StorageError, match="holds another block"):
        block_file.check_header(files, file, stream, info)


@pytest.mark.parametrize("change", [-1, 1, -CHECKSUM_BYTES])
def test_a_file_of_another_length_is_refused(change: int) -> None:
    files, file = written(5000)
    node = files.disk.file(PATH)
    node.seen = bytearray(bytes(node.seen).ljust(len(node.seen) + change, b"\0")[: len(node.seen) + change])
    with pytest.raises(StorageError, match=r"has \d+ bytes, \d+ are expected"):
        block_file.check_header(files, file, STREAM, info_of(5000))


@pytest.mark.parametrize("offset", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 9])
def test_a_damaged_byte_is_found_wherever_it_stands(offset: int) -> None:
    size = 2 * CHUNK_BYTES + 10
    files, file = written(size)
    damage(files, file, HEADER_BYTES + offset)
    with pytest.raises(StorageError, match="damaged between byte"):
        list(block_file.verify(files, file, size))


def test_a_damaged_checksum_is_found() -> None:
    files, file = written(5000)
    damage(files, file, HEADER_BYTES + 5000 + CHECKSUM_BYTES)
    with pytest.raises(StorageError, match="damaged"):
        list(block_file.verify(files, file, 5000))


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 1), (0, 5000), (100, 4096), (4096, 8192), (4000, 9000), (8192, 10_000), (0, 10_000)],
)
def test_wiping_leaves_neither_bytes_nor_what_tells_about_them(start: int, end: int) -> None:
    size = 10_000
    files, file = written(size)
    block_file.wipe(files, file, size, start, end)
    raw = bytes(files.disk.file(PATH).seen)
    expected = bytearray(block_bytes(UUID, size))
    expected[start:end] = bytes(end - start)
    assert raw[HEADER_BYTES : HEADER_BYTES + size] == expected
    sums = raw[HEADER_BYTES + size :]
    touched = range(start // CHUNK_BYTES, -(-end // CHUNK_BYTES))
    for number in range(block_file.nr_chunks(size)):
        stands = any(sums[number * CHECKSUM_BYTES : (number + 1) * CHECKSUM_BYTES])
        assert stands == (number not in touched)
    rest = -(-end // CHUNK_BYTES) * CHUNK_BYTES
    assert sum(block_file.verify(files, file, size, start=end)) == max(size - rest, 0)


def test_an_erased_file_was_overwritten_and_synced_before_it_went() -> None:
    files, file = written(10_000)
    files.close(file)
    node = files.disk.file(PATH)
    block_file.erase(files, PATH)
    assert not files.exists(PATH) and not any(node.durable) and len(node.durable) > 10_000
    assert files.nr_open == 0


@pytest.mark.parametrize("number", range(4))
def test_a_file_goes_even_where_it_cannot_be_overwritten(number: int) -> None:
    files, file = written(10_000)
    files.close(file)
    files.fault = fails_at(files.nr_calls + number, 5)
    try:
        block_file.erase(files, PATH)
    except StorageError:
        assert number == 4
    assert not files.exists(PATH) and files.nr_open == 0


@pytest.mark.parametrize("number", range(1, 5))
def test_a_block_that_cannot_be_written_leaves_nothing(number: int) -> None:
    files = SimulatedFiles(Disk(), fault=fails_at(number, 28))
    with pytest.raises(StorageError, match="No space left on device"):
        _write(files)
    assert not files.exists(PATH) and files.nr_open == 0
    files.fault = no_fault
    _write(files)


def _write(files: SimulatedFiles) -> None:
    writer = BlockWriter(files, PATH, STREAM, info_of(5000))
    writer.write(block_bytes(UUID, 5000))
    writer.finish()


def test_giving_up_overwrites_what_was_written() -> None:
    files = SimulatedFiles(Disk())
    writer = BlockWriter(files, PATH, STREAM, info_of(5000))
    writer.write(block_bytes(UUID, 5000)[:3000])
    node = files.disk.file(PATH)
    writer.abandon()
    writer.abandon()  # once more does no harm
    assert not files.exists(PATH) and not any(node.durable) and files.nr_open == 0


def test_more_or_less_than_the_block_is_a_fault_of_ours() -> None:
    writer = BlockWriter(SimulatedFiles(Disk()), PATH, STREAM, info_of(10))
    with pytest.raises(AssertionError):
        writer.write(bytes(11))
    writer.write(bytes(9))
    with pytest.raises(AssertionError):
        writer.finish()
