"""The file of marks: a slot is whole or refused, and one sync commits all."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulating.disks.disk import Disk
from simulating.disks.files import Call, SimulatedFiles

from dsked.errors import StorageError
from dsked.storage.marks import HEADER_BYTES, MAGIC, SLOT_BYTES, Mark, MarkFile

PATH = Path("/marks")


def mark(number: int) -> Mark:
    return Mark(number.to_bytes(16, "big"), 1000 * number, 10 * number)


@pytest.fixture
def files() -> SimulatedFiles:
    files = SimulatedFiles(Disk())
    MarkFile.create(files, PATH)
    return files


def change(files: SimulatedFiles, at: int, data: bytes) -> None:
    file = files.open(PATH, write=True)
    files.write_at(file, data, at)
    files.close(file)


def test_what_was_written_is_read_again(files: SimulatedFiles) -> None:
    marks = MarkFile.open(files, PATH)
    marks.write((slot, mark(slot + 1)) for slot in (0, 5, 200))
    marks.sync()
    marks.close()
    marks = MarkFile.open(files, PATH)
    assert [marks.read(slot) for slot in (0, 5, 200)] == [mark(1), mark(6), mark(201)]
    assert marks.read(1) is None and marks.read(199) is None
    marks.write([(5, None)])
    assert marks.read(5) is None
    assert files.nr_open == 1


def test_one_sync_commits_all(files: SimulatedFiles) -> None:
    marks = MarkFile.open(files, PATH)
    marks.write((slot, mark(slot)) for slot in range(300))
    marks.sync()
    calls: list[Call] = []
    files.fault = lambda call: calls.append(call)
    marks.write((slot, mark(slot + 1)) for slot in range(300))
    marks.sync()
    assert [call.name for call in calls].count("sync_data") == 1
    assert files.disk.file(PATH).is_synced
    assert {call.grows for call in calls} == {0}, "in place: a full disk does not matter"


def test_a_slot_lies_in_one_sector_and_page() -> None:
    assert 512 % SLOT_BYTES == 0 and HEADER_BYTES % 4096 == 0


def test_a_missing_slot_says_so(files: SimulatedFiles) -> None:
    with pytest.raises(StorageError, match="has 0 slots, slot 3 is missing"):
        MarkFile.open(files, PATH).read(3)


@pytest.mark.parametrize("at", [*range(48), *range(56, 64)])
def test_a_damaged_slot_is_refused_whatever_was_damaged(files: SimulatedFiles, at: int) -> None:
    marks = MarkFile.open(files, PATH)
    marks.write([(2, mark(7))])
    offset = HEADER_BYTES + 2 * SLOT_BYTES + at
    byte = files.disk.file(PATH).seen[offset]
    change(files, offset, bytes([byte ^ 0x10]))
    with pytest.raises(StorageError, match="slot 2 is damaged: this pool's mark is lost"):
        marks.read(2)


def test_a_slot_in_another_ones_place_is_refused(files: SimulatedFiles) -> None:
    marks = MarkFile.open(files, PATH)
    marks.write([(2, mark(7))])
    slot = files.disk.file(PATH).seen[HEADER_BYTES + 2 * SLOT_BYTES :][:SLOT_BYTES]
    change(files, HEADER_BYTES + 3 * SLOT_BYTES, bytes(slot))
    with pytest.raises(StorageError, match="slot 3 is damaged"):
        marks.read(3)


def test_more_wiped_than_used_is_refused(files: SimulatedFiles) -> None:
    marks = MarkFile.open(files, PATH)
    marks.write([(0, Mark(bytes(16), 10, 11))])
    with pytest.raises(StorageError, match="slot 0 is damaged"):
        marks.read(0)


@pytest.mark.parametrize(
    ("at", "data", "says"),
    [
        (0, b"X", "no file of marks, or its header is damaged"),
        (len(MAGIC) - 1, b"2", "version b'2'; expected '1'"),
        (len(MAGIC) - 1, b"0", "version b'0'; expected '1'"),
        (len(MAGIC), b"\0", "its header is damaged"),
    ],
)
def test_another_file_or_version_is_refused(files: SimulatedFiles, at: int, data: bytes, says: str) -> None:
    change(files, at, data)
    with pytest.raises(StorageError, match=says):
        MarkFile.open(files, PATH)
    assert files.nr_open == 0


def test_an_empty_file_is_refused() -> None:
    files = SimulatedFiles(Disk())
    files.close(files.create(PATH))
    with pytest.raises(StorageError, match="ends at 0 bytes"):
        MarkFile.open(files, PATH)
