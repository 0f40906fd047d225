"""The simulated disk: it agrees with the real one while nothing fails, and catches who does not sync."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from simulating.disks.disk import SECTOR_BYTES, Disk, Luck
from simulating.disks.files import (
    CHANGES,
    FALLIBLE,
    Call,
    SimulatedCrash,
    SimulatedFiles,
    fails_at,
    full_from,
)

from dsked.errors import StorageError
from dsked.storage.files import Files

ROOT = Path("/")
FILE = Path("/file")


def after_crashes(disk: Disk, nr: int = 100) -> list[SimulatedFiles]:
    """What the next start may find."""
    return [SimulatedFiles(disk.crash(Luck.any(random.Random(seed)))) for seed in range(nr)]


def content(files: Files, path: Path) -> bytes | None:
    """A file's bytes; None where there is no file."""
    if not files.exists(path):
        return None
    file = files.open(path)
    data = files.read_at(file, files.size(file), 0)
    files.close(file)
    return data


def contents(disk: Disk, path: Path = FILE) -> set[bytes | None]:
    return {content(files, path) for files in after_crashes(disk)}


def put(files: Files, path: Path, data: bytes, *, sync: bool = True) -> None:
    file = files.open(path, write=True) if files.exists(path) else files.create(path)
    files.write_at(file, data, 0)
    if sync:
        files.sync(file)
    files.close(file)


@pytest.fixture
def files() -> SimulatedFiles:
    return SimulatedFiles(Disk())


# -- agreement with the real file system ---------------------------------------------------------


def test_every_call_of_the_seam_is_simulated() -> None:
    calls = {name for name in vars(Files) if not name.startswith("_")}
    assert calls == {name for name in vars(SimulatedFiles) if not name.startswith("_")} - {"nr_open", "end"}
    assert calls - FALLIBLE == {"close", "exists", "lock"}


def test_the_locks_of_a_process_that_ends_are_given_back() -> None:
    disk = Disk()
    first, second = SimulatedFiles(disk), SimulatedFiles(disk)
    path = Path("/lock")
    file = first.create(path)
    assert first.lock(file)
    again = second.open(path)
    assert not second.lock(again)
    first.end()
    assert second.lock(again)
    assert first.nr_open == 0


def _try(call: Callable[[], object]) -> object:
    """What a call gave, or what it complained of, without the path."""
    try:
        return call()
    except StorageError as error:
        return str(error).split(": ", 1)[1]


def _random_calls(files: Files, root: Path, seed: int) -> list[object]:
    dice = random.Random(seed)
    paths = [root / name for name in ("a", "b", "d/a", "d/b", "e/a", "e/x/y")]
    directories = [root / "d", root / "e", root / "e/x"]
    of_one_path: list[Callable[[Path], object]] = [
        files.remove, files.exists, partial(content, files), partial(_make, files),
    ]  # fmt: skip
    of_directories: list[Callable[[Path], object]] = [
        files.make_directory,
        files.remove_directory,
        files.sync_directory,
        files.names,
    ]
    said: list[object] = []
    for _ in range(120):
        path, other, directory = dice.choice(paths), dice.choice(paths), dice.choice(directories)
        data, offset = dice.randbytes(dice.randrange(1500)), dice.randrange(2000)
        calls: list[Callable[[], object]] = [
            *(partial(call, path) for call in of_one_path),
            *(partial(call, directory) for call in of_directories),
            partial(files.rename, path, other),
            partial(_write, files, path, data, offset),
        ]
        said.append(_try(dice.choice(calls)))
    return said


def _make(files: Files, path: Path) -> None:
    files.close(files.create(path))


def _write(files: Files, path: Path, data: bytes, offset: int) -> int:
    file = files.open(path, write=True)
    try:
        files.write_at(file, data, offset)
        files.sync_data(file)
        return files.size(file)
    finally:
        files.close(file)


@pytest.mark.parametrize("seed", range(20))
def test_without_faults_it_does_as_the_real_one(seed: int, tmp_path: Path, files: SimulatedFiles) -> None:
    assert _random_calls(files, ROOT, seed) == _random_calls(Files(), tmp_path, seed)
    assert files.nr_open == 0


def test_a_lock_is_held_until_the_file_is_closed(files: SimulatedFiles) -> None:
    put(files, FILE, b"")
    first, second = files.open(FILE), SimulatedFiles(files.disk)
    other = second.open(FILE)
    assert files.lock(first)
    assert not second.lock(other)
    files.close(first)
    assert second.lock(other)
    assert not files.lock(files.open(FILE))


def test_a_read_beyond_the_end_says_so(files: SimulatedFiles) -> None:
    put(files, FILE, b"four")
    with pytest.raises(StorageError, match="ends at 4 bytes"):
        files.read_at(files.open(FILE), 5, 0)


# -- what a crash leaves -------------------------------------------------------------------------


def test_what_was_synced_stays(files: SimulatedFiles) -> None:
    put(files, FILE, b"safe" * 1000)
    files.sync_directory(ROOT)
    assert files.disk.is_synced
    assert contents(files.disk) == {b"safe" * 1000}


def test_a_crash_leaves_the_running_disk_as_it_is(files: SimulatedFiles) -> None:
    put(files, FILE, b"old")
    files.sync_directory(ROOT)
    put(files, FILE, b"new", sync=False)
    assert contents(files.disk) == {b"old", b"new"}
    assert content(files, FILE) == b"new" and not files.disk.is_synced


def test_a_new_file_may_have_no_name_although_it_was_synced(files: SimulatedFiles) -> None:
    put(files, FILE, b"data")
    assert contents(files.disk) == {None, b"data"}


def test_a_name_may_stand_before_the_content(files: SimulatedFiles) -> None:
    put(files, FILE, b"data", sync=False)
    files.sync_directory(ROOT)
    assert contents(files.disk) == {b"", b"\0\0\0\0", b"data"}


def test_writes_are_torn_between_sectors_and_never_within_one(files: SimulatedFiles) -> None:
    put(files, FILE, b"o" * 3 * SECTOR_BYTES)
    files.sync_directory(ROOT)
    put(files, FILE, b"n" * 3 * SECTOR_BYTES, sync=False)
    expected = {
        bytes(first) * SECTOR_BYTES + bytes(second) * SECTOR_BYTES + bytes(third) * SECTOR_BYTES
        for first in (b"o", b"n") for second in (b"o", b"n") for third in (b"o", b"n")
    }  # fmt: skip
    assert contents(files.disk) == expected


def test_later_writes_may_reach_the_disk_before_earlier_ones(files: SimulatedFiles) -> None:
    first, second = Path("/first"), Path("/second")
    for path in (first, second):
        put(files, path, b"-")
    files.sync_directory(ROOT)
    put(files, first, b"1", sync=False)
    put(files, second, b"2", sync=False)
    found = {(content(after, first), content(after, second)) for after in after_crashes(files.disk)}
    assert found == {(b"-", b"-"), (b"1", b"-"), (b"-", b"2"), (b"1", b"2")}


def test_any_version_of_a_sector_may_be_the_one_that_stays(files: SimulatedFiles) -> None:
    put(files, FILE, b"0")
    files.sync_directory(ROOT)
    for version in (b"1", b"2", b"3"):
        put(files, FILE, version, sync=False)
    assert contents(files.disk) == {b"0", b"1", b"2", b"3"}


def test_a_rename_is_one_step(files: SimulatedFiles) -> None:
    new = Path("/new")
    put(files, FILE, b"old")
    put(files, new, b"new")
    files.sync_directory(ROOT)
    files.rename(new, FILE)
    found = {(content(after, FILE), content(after, new)) for after in after_crashes(files.disk)}
    assert found == {(b"old", b"new"), (b"new", None)}


@pytest.mark.parametrize(
    ("synced", "found_then"),
    [
        ([], {(b"data", None), (None, b"data")}),
        (["/from"], {(None, b"data")}),
        (["/to"], {(b"data", b"data"), (None, b"data")}),
        (["/to", "/from"], {(None, b"data")}),
    ],
)
def test_a_rename_between_directories_never_loses_the_file(
    files: SimulatedFiles, synced: list[str], found_then: set[tuple[bytes | None, bytes | None]]
) -> None:
    old, new = Path("/from/file"), Path("/to/file")
    for path in (old, new):
        files.make_directory(path.parent)
    put(files, old, b"data")
    for path in (ROOT, old.parent):
        files.sync_directory(path)
    files.rename(old, new)
    for directory in synced:
        files.sync_directory(Path(directory))
    assert {(content(after, old), content(after, new)) for after in after_crashes(files.disk)} == found_then


def test_an_older_change_of_a_name_never_comes_after_a_newer_one(files: SimulatedFiles) -> None:
    """The sync of /from moves the file to /to; what /to held before must not come back."""
    old, new = Path("/from/file"), Path("/to/file")
    for path in (old, new):
        files.make_directory(path.parent)
    put(files, old, b"newer")
    for path in (ROOT, old.parent):
        files.sync_directory(path)
    put(files, new, b"older")
    files.rename(old, new)
    files.sync_directory(old.parent)
    assert contents(files.disk, new) == {b"newer"}


def test_a_removed_file_may_come_back(files: SimulatedFiles) -> None:
    put(files, FILE, b"data")
    files.sync_directory(ROOT)
    files.remove(FILE)
    assert contents(files.disk) == {None, b"data"}
    files.sync_directory(ROOT)
    assert contents(files.disk) == {None}


def test_a_directory_that_was_not_synced_takes_all_that_is_in_it(files: SimulatedFiles) -> None:
    path = Path("/directory/file")
    files.make_directory(path.parent)
    put(files, path, b"data")
    files.sync_directory(path.parent)
    assert contents(files.disk, path) == {None, b"data"}
    files.sync_directory(ROOT)
    assert contents(files.disk, path) == {b"data"}


def test_a_removed_directory_may_come_back_with_what_was_in_it(files: SimulatedFiles) -> None:
    path = Path("/directory/file")
    files.make_directory(path.parent)
    put(files, path, b"data")
    for directory in (path.parent, ROOT):
        files.sync_directory(directory)
    files.remove(path)
    files.remove_directory(path.parent)
    found = {(after.exists(path.parent), after.exists(path)) for after in after_crashes(files.disk)}
    assert found == {(True, True), (True, False), (False, False)}


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_failed_write_leaves_a_part_of_it_that_ends_with_a_sector(error: int) -> None:
    left, data = set(), b"x" * 1000
    for seed in range(100):
        files = SimulatedFiles(Disk(), seed, fails_at(1, error))
        file = files.create(FILE)
        with pytest.raises(StorageError, match=r"^/file: cannot be written: (Input/output|No space left)"):
            files.write_at(file, data, 100)
        left.add(len(content(files, FILE) or b""))
        files.write_at(file, data, 100)
        assert content(files, FILE) == bytes(100) + data
    assert left == {0, 512, 1024, 1100}


def test_after_a_failed_sync_the_next_one_claims_success_and_the_data_may_be_gone() -> None:
    survivors = set()
    for seed in range(100):
        files = SimulatedFiles(Disk(), seed, fails_at(3, errno.EIO))
        file = files.create(FILE)
        files.sync_directory(ROOT)
        files.write_at(file, b"data", 0)
        with pytest.raises(StorageError, match="cannot be synced: Input/output error"):
            files.sync(file)
        files.sync(file)
        survivors |= contents(files.disk)
    assert {b"", b"data"} <= survivors


def test_after_a_failed_sync_of_a_directory_a_name_may_be_gone() -> None:
    survivors = set()
    for seed in range(100):
        files = SimulatedFiles(Disk(), seed, fails_at(1, errno.EIO))
        files.create(FILE)
        with pytest.raises(StorageError, match="/: cannot be synced"):
            files.sync_directory(ROOT)
        files.sync_directory(ROOT)
        assert files.exists(FILE)
        survivors |= contents(files.disk)
    assert survivors == {None, b""}


@pytest.mark.parametrize("copy_on_write", [False, True])
def test_a_full_disk_takes_nothing_new_and_gives_everything_it_has(
    files: SimulatedFiles, copy_on_write: bool
) -> None:
    put(files, FILE, b"data")
    files.fault = full_from(0, copy_on_write=copy_on_write)
    for path in (FILE, Path("/new")):
        with pytest.raises(StorageError, match="No space left"):
            put(files, path, b"longer than before")
    assert (content(files, FILE) or b"")[4:] == b"longer than before"[
        4 : files.disk.file(FILE).seen.__len__()
    ]
    if not copy_on_write:
        put(files, FILE, b"DATA")
    files.fault = lambda call: None
    put(files, Path("/new"), b"longer than before")


def test_calls_are_numbered_and_reads_are_no_changes(files: SimulatedFiles) -> None:
    calls: list[Call] = []
    files.fault = lambda call: calls.append(call)
    put(files, FILE, b"data")
    content(files, FILE)
    assert [(call.number, call.name) for call in calls if call.name in CHANGES] == [
        (0, "create"), (1, "write_at"), (2, "sync"),
    ]  # fmt: skip
    assert [call.name for call in calls][3:] == ["open", "size", "read_at"]


# -- controls: stores that cut corners are caught --------------------------------------------------


class Naive:
    """A store of one mark in one file. Each of its variants leaves out what a right one needs.

    "use first": the mark is written after the bytes have left. "no sync": it is written, and not synced.
    "in place": it takes two sectors, written in place. "no directory sync": it is replaced by a rename, and
    the directory is not synced.
    """

    def __init__(self, files: SimulatedFiles, variant: str) -> None:
        self._files = files
        self._variant = variant
        self.left = 0  # the end of what has left

    def start(self) -> None:
        put(self._files, FILE, self._form(0))
        self._files.sync_directory(ROOT)

    def _form(self, mark: int) -> bytes:
        digits = f"{mark:06}"  # the halves of the number stand in different sectors
        return (digits[:3] + " " * (SECTOR_BYTES - 3) + digits[3:]).encode()

    def use(self, amount: int) -> None:
        if self._variant == "use first":
            self.left += amount
        self._save(self.left + (0 if self._variant == "use first" else amount))
        if self._variant != "use first":
            self.left += amount

    def _save(self, mark: int) -> None:
        if self._variant in ("in place", "no sync", "use first"):
            put(self._files, FILE, self._form(mark), sync=self._variant != "no sync")
            return
        new = Path("/new")
        put(self._files, new, self._form(mark))
        self._files.rename(new, FILE)
        if self._variant != "no directory sync":
            self._files.sync_directory(ROOT)

    @staticmethod
    def mark(files: Files) -> int:
        data = content(files, FILE)
        assert data is not None
        return int(data[:3] + data[SECTOR_BYTES:])


def _crashes_with_reuse(variant: str) -> int:
    """Crashes, one before every change and after the last, that leave a mark below what has left."""
    files = SimulatedFiles(Disk())
    store = Naive(files, variant)
    store.start()
    nr_bad = 0

    def look(call: Call) -> None:
        nonlocal nr_bad
        if call.name in CHANGES:
            nr_bad += sum(Naive.mark(after) < store.left for after in after_crashes(files.disk, 60))

    files.fault = look
    for _ in range(20):
        store.use(700)
    look(Call(0, "sync", ROOT))
    return nr_bad


@pytest.mark.parametrize("variant", ["use first", "no sync", "in place", "no directory sync"])
def test_a_store_that_cuts_a_corner_is_caught(variant: str) -> None:
    assert _crashes_with_reuse(variant) > 0


def test_a_store_that_cuts_none_is_not_blamed() -> None:
    assert _crashes_with_reuse("right") == 0


def test_a_crash_at_a_call_passes_through_the_program() -> None:
    def crash(call: Call) -> None:
        if call.number == 1:
            raise SimulatedCrash

    files = SimulatedFiles(Disk(), fault=crash)
    file = files.create(FILE)
    with pytest.raises(SimulatedCrash):
        files.write_at(file, b"data", 0)
    assert content(files, FILE) == b""
