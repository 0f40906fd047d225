"""The store's seam to the file system, over a simulated disk: every call is counted and may fail."""

from __future__ import annotations

import errno
import itertools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dsked.errors import StorageError
from dsked.storage.files import Files, OpenFile
from simulating.disks.disk import SECTOR_BYTES, Disk, DiskDirectory, DiskFile, Node

T = TypeVar("T")

_NUMBERS = itertools.count(3)  # of open files, over all processes: a lock belongs to one of them

#: Calls that change what is on the disk: before each of them a crash leaves something else behind.
CHANGES = frozenset(
    ["create", "write_at", "sync", "sync_data", "sync_directory", "rename", "remove", "make_directory",
     "remove_directory"]
)  # fmt: skip
#: Calls that the system may answer with an error.
FALLIBLE = CHANGES | {"open", "read_at", "size", "names"}


class SimulatedCrash(BaseException):
    """The machine stops here. Nothing may catch it but the simulation."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, before it is done. `grows`: bytes that it needs on the disk beyond those in use."""

    number: int  # of the FALLIBLE ones, from 0
    name: str
    path: Path
    grows: int = 0


#: Looks at a call before it is done; gives the errno that it fails with, or None; or raises SimulatedCrash.
Fault = Callable[[Call], int | None]


def no_fault(call: Call) -> None:
    """All is well."""


def fails_at(number: int, error: int) -> Fault:
    """The call of this number fails, once."""
    return lambda call: error if call.number == number else None


def full_from(number: int, *, copy_on_write: bool) -> Fault:
    """From this call on nothing fits any more; a copy-on-write file system refuses changes in place, too."""

    def fault(call: Call) -> int | None:
        in_place = call.grows == 0 and not copy_on_write
        return None if call.number < number or call.name not in CHANGES or in_place else errno.ENOSPC

    return fault


class SimulatedFiles(Files):
    """One process's view of a disk. What it has open is gone after a crash: begin with a new one."""

    def __init__(self, disk: Disk, seed: int = 0, fault: Fault = no_fault) -> None:
        self.disk = disk
        self.fault = fault
        self.nr_calls = 0
        self.most_open = 0
        self._dice = random.Random(seed)  # noqa: S311 - a simulation draws no secrets
        self._open: dict[int, Node] = {}

    @property
    def nr_open(self) -> int:
        """Files that are open now."""
        return len(self._open)

    def end(self) -> None:
        """The process is gone: the system closes what it had open, and gives back its locks."""
        for number, node in self._open.items():
            if node.lock == number:
                node.lock = None
        self._open.clear()

    def _begin(self, name: str, path: Path, grows: int = 0) -> int | None:
        call = Call(self.nr_calls, name, path, grows)
        self.nr_calls += 1
        return self.fault(call)

    def _do(self, name: str, path: Path, what: str, call: Callable[[], T], grows: int = 0) -> T:
        error = self._begin(name, path, grows)
        try:
            if error:
                raise OSError(error, os.strerror(error))
            return call()
        except OSError as raised:
            raise StorageError(f"{path}: cannot be {what}: {raised.strerror}") from None

    def _opened(self, path: Path, node: Node) -> OpenFile:
        file = OpenFile(path, next(_NUMBERS))
        self._open[file.fd] = node
        self.most_open = max(self.most_open, self.nr_open)
        return file

    def create(self, path: Path) -> OpenFile:
        node = DiskFile()
        self._do("create", path, "made", lambda: self.disk.link(path, node), grows=1)
        return self._opened(path, node)

    def open(self, path: Path, *, write: bool = False) -> OpenFile:
        find = self.disk.file if write else self.disk.find  # a directory is opened to be locked
        return self._opened(path, self._do("open", path, "opened", lambda: find(path)))

    def _file(self, file: OpenFile) -> DiskFile:
        node = self._open[file.fd]
        assert isinstance(node, DiskFile)
        return node

    def close(self, file: OpenFile) -> None:
        node = self._open.pop(file.fd)  # KeyError: closed twice, which is a fault of the program
        if node.lock == file.fd:
            node.lock = None

    def read_at(self, file: OpenFile, length: int, offset: int) -> bytes:
        node = self._file(file)
        data = self._do("read_at", file.path, "read", lambda: bytes(node.seen[offset : offset + length]))
        if len(data) < length:
            raise StorageError(f"{file.path}: ends at {offset + len(data)} bytes, more are expected")
        return data

    def write_at(self, file: OpenFile, data: bytes | bytearray | memoryview, offset: int) -> None:
        node = self._file(file)
        error = self._begin("write_at", file.path, grows=node.grows_by(data, offset))
        node.write(data if error is None else self._part(data, offset), offset)
        if error:
            raise StorageError(f"{file.path}: cannot be written: {os.strerror(error)}")

    def _part(self, data: bytes | bytearray | memoryview, offset: int) -> bytes | bytearray | memoryview:
        """What a failed write has written: all, nothing, or up to the end of a sector."""
        ends = range(SECTOR_BYTES - offset % SECTOR_BYTES, len(data), SECTOR_BYTES)
        return data[: self._dice.choice([0, *ends, len(data)])]

    def size(self, file: OpenFile) -> int:
        node = self._file(file)
        return self._do("size", file.path, "looked at", lambda: len(node.seen))

    def sync(self, file: OpenFile) -> None:
        self._sync("sync", file)

    def sync_data(self, file: OpenFile) -> None:
        self._sync("sync_data", file)

    def _sync(self, name: str, file: OpenFile) -> None:
        node = self._file(file)
        error = self._begin(name, file.path)
        if error:
            node.fail_to_sync(self._dice)
            raise StorageError(f"{file.path}: cannot be synced: {os.strerror(error)}")
        node.sync()

    def sync_directory(self, path: Path) -> None:
        error = self._begin("sync_directory", path)
        try:
            directory = self.disk.directory(path)
        except OSError as raised:
            raise StorageError(f"{path}: cannot be opened: {raised.strerror}") from None
        if error:
            self.disk.fail_to_sync_directory(directory, self._dice)
            raise StorageError(f"{path}: cannot be synced: {os.strerror(error)}")
        self.disk.sync_directory(directory)

    def rename(self, old: Path, new: Path) -> None:
        self._do("rename", new, "renamed", lambda: self.disk.rename(old, new), grows=1)

    def remove(self, path: Path) -> None:
        def call() -> None:
            if self.exists(path):
                self.disk.unlink(path)

        self._do("remove", path, "removed", call)

    def make_directory(self, path: Path) -> None:
        def call() -> None:
            if not self.exists(path) or not isinstance(self.disk.find(path), DiskDirectory):
                self.disk.link(path, DiskDirectory())

        self._do("make_directory", path, "made", call, grows=1)

    def remove_directory(self, path: Path) -> None:
        self._do("remove_directory", path, "removed", lambda: self.disk.remove_directory(path))

    def names(self, path: Path) -> list[str]:
        return self._do("names", path, "read", lambda: sorted(self.disk.directory(path).seen))

    def exists(self, path: Path) -> bool:
        return self._found(path) is not None

    def _found(self, path: Path) -> Node | None:
        try:
            return self.disk.find(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lock(self, file: OpenFile, wait_s: float = 0.0) -> bool:
        node = self._open[file.fd]
        if node.lock not in (None, file.fd):
            return False
        node.lock = file.fd
        return True
