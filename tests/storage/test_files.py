"""The real calls: what they leave on the disk, and what their errors say."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dsked.errors import StorageError
from dsked.storage.files import Files, OpenFile
from tests.storage.test_simulated_disk import content, put

FILES = Files()


def test_files_and_directories_are_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        FILES.make_directory(tmp_path / "directory")
        put(FILES, tmp_path / "directory/file", b"secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "directory").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "directory/file").stat().st_mode) == 0o600


def test_no_file_is_inherited_by_a_program_that_is_started(tmp_path: Path) -> None:
    put(FILES, tmp_path / "file", b"")
    for file in (FILES.open(tmp_path / "file"), FILES.create(tmp_path / "new")):
        assert not os.get_inheritable(file.fd)
        FILES.close(file)


def test_short_reads_and_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real_write(fd, bytes(data)[:7], at))
    monkeypatch.setattr(os, "pread", lambda fd, length, at: real_read(fd, min(length, 5), at))
    data = bytes(range(100))
    put(FILES, tmp_path / "file", data)
    assert content(FILES, tmp_path / "file") == data


CALLS: dict[str, Callable[[Path, OpenFile], object]] = {
    "pwrite": lambda path, file: FILES.write_at(file, b"x", 0),
    "pread": lambda path, file: FILES.read_at(file, 1, 0),
    "fsync": lambda path, file: FILES.sync(file),
    "fdatasync": lambda path, file: FILES.sync_data(file),
    "fstat": lambda path, file: FILES.size(file),
    "replace": lambda path, file: FILES.rename(path, path),
    "listdir": lambda path, file: FILES.names(path),
    "open": lambda path, file: FILES.open(path),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_an_error_says_which_file_and_why(
    name: str, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    put(FILES, path, b"")
    file = FILES.open(path, write=True)

    def fail(*args: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(StorageError) as raised:
            CALLS[name](path, file)
    FILES.close(file)
    assert str(raised.value).startswith(f"{path}: cannot be ")
    assert str(raised.value).endswith(os.strerror(error))


def test_a_directory_that_cannot_be_synced_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="cannot be synced: Input/output error"):
            FILES.sync_directory(tmp_path)
    assert str(tmp_path) not in map(os.path.realpath, Path("/proc/self/fd").iterdir())


def test_what_is_there_or_gone_already_is_no_error(tmp_path: Path) -> None:
    for _ in range(2):
        FILES.make_directory(tmp_path / "directory")
        FILES.remove(tmp_path / "no such file")


@pytest.mark.parametrize(
    "call",
    [
        partial(FILES.open, Path("/nowhere/file")),
        partial(FILES.create, Path("/nowhere/file")),
        partial(FILES.names, Path("/nowhere")),
        partial(FILES.remove_directory, Path("/nowhere")),
        partial(FILES.sync_directory, Path("/nowhere")),
    ],
)
def test_what_is_missing_is_an_error(call: Callable[[], object]) -> None:
    with pytest.raises(StorageError, match=r"^/nowhere.*: No such file or directory$"):
        call()
