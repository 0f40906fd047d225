"""The one place where the store meets the file system: every call, and what a failure of it says.

Tests put a simulated disk in its place, which crashes at any call, loses what was not synced and
tears writes between sectors.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dsked.errors import StorageError

T = TypeVar("T")
_LOCK_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file and the path that it was opened by."""

    path: Path
    fd: int


class Files:
    """Calls of the operating system. All raise StorageError: path, what failed, and why."""

    def create(self, path: Path) -> OpenFile:
        """A new file for reading and writing, mode 0600; it must not exist."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return OpenFile(path, _call(path, "made", os.open, path, flags, 0o600))

    def open(self, path: Path, *, write: bool = False) -> OpenFile:
        """An existing file; none that is written is reached through a link, and no pipe is waited for."""
        flags = (os.O_RDWR | os.O_NOFOLLOW if write else os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC
        return OpenFile(path, _call(path, "opened", os.open, path, flags))

    def close(self, file: OpenFile) -> None:
        """Closes; what was not synced may be lost."""
        os.close(file.fd)

    def read_at(self, file: OpenFile, length: int, offset: int) -> bytes:
        """Exactly `length` bytes from `offset`; the file must not end before."""
        pieces = []
        while length > 0:
            piece = _call(file.path, "read", os.pread, file.fd, length, offset)
            if not piece:
                raise StorageError(f"{file.path}: ends at {offset} bytes, {length} more are expected")
            pieces.append(piece)
            length, offset = length - len(piece), offset + len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write_at(self, file: OpenFile, data: bytes | bytearray | memoryview, offset: int) -> None:
        """All of `data` at `offset`; durable only after a sync."""
        rest = memoryview(data)
        while rest:
            nr_written = _call(file.path, "written", os.pwrite, file.fd, rest, offset)
            rest, offset = rest[nr_written:], offset + nr_written

    def size(self, file: OpenFile) -> int:
        """The file's length in bytes."""
        return _call(file.path, "looked at", os.fstat, file.fd).st_size

    def sync(self, file: OpenFile) -> None:
        """fsync(2). When it fails, what was written since the last one may be gone, and stays gone."""
        _call(file.path, "synced", os.fsync, file.fd)

    def sync_data(self, file: OpenFile) -> None:
        """fdatasync(2): as `sync`, without times."""
        _call(file.path, "synced", os.fdatasync, file.fd)

    def sync_directory(self, path: Path) -> None:
        """Makes durable what was created, renamed and removed in a directory."""
        fd = _call(path, "opened", os.open, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _call(path, "synced", os.fsync, fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Puts `old` in the place of `new`, in one step."""
        _call(new, "renamed", os.replace, old, new)

    def remove(self, path: Path) -> None:
        """Removes a file; no matter if it is gone already."""
        _call(path, "removed", path.unlink, True)

    def make_directory(self, path: Path) -> None:
        """A directory of mode 0700; no matter if it is there already."""
        _call(path, "made", path.mkdir, 0o700, False, True)

    def remove_directory(self, path: Path) -> None:
        """Removes an empty directory."""
        _call(path, "removed", path.rmdir)

    def names(self, path: Path) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(_call(path, "read", os.listdir, path))

    def exists(self, path: Path) -> bool:
        """Whether there is something of this name."""
        return path.exists()

    def lock(self, file: OpenFile, wait_s: float = 0.0) -> bool:
        """Takes the file's lock until it is closed; False if another process has it, and keeps it so long."""
        deadline = time.monotonic() + wait_s
        try:
            while not self._lock_at_once(file):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_LOCK_POLL_S)
        except OSError as error:
            raise StorageError(f"{file.path}: cannot be locked: {error.strerror}") from None
        return True

    @staticmethod
    def _lock_at_once(file: OpenFile) -> bool:
        try:
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _call(path: Path, what: str, call: Callable[..., T], *arguments: object) -> T:
    try:
        return call(*arguments)
    except OSError as error:
        raise StorageError(f"{path}: cannot be {what}: {error.strerror}") from None
