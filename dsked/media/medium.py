"""Files on a medium: what bundles they hold, new ones that get their name only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dsked import limits
from dsked.errors import RequestError, StorageError
from dsked.media import header as headers
from dsked.media.header import BundleError, Header
from dsked.media.sizes import show_size
from dsked.storage import block_file
from dsked.storage.block_file import PIECE_BYTES
from dsked.storage.files import Files, OpenFile

SUFFIX = ".psrd"
PARTIAL_SUFFIX = ".partial"
#: Called with the number of bytes that were done since the last call.
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Placed:
    """A bundle of a file: its header, and where it begins."""

    at: int
    header: Header


@contextmanager
def opened(files: Files, path: Path) -> Iterator[OpenFile]:
    """An existing file, for reading. Raises StorageError."""
    file = files.open(path)
    try:
        yield file
    finally:
        files.close(file)


def scan(files: Files, file: OpenFile) -> list[Placed]:
    """All bundles of a file, by their headers alone. Raises BundleError where it holds anything else."""
    found: list[Placed] = []
    at, size = 0, files.size(file)
    while at < size or not found:
        if len(found) == limits.MAX_BUNDLES_PER_FILE:
            raise BundleError(f"{file.path}: more than {limits.MAX_BUNDLES_PER_FILE} bundles")
        header = headers.read(files, file, at)
        found.append(Placed(at, header))
        at += header.total_bytes
    return found


def file_name(header: Header) -> str:
    """The name of a file that holds this bundle alone."""
    return f"{header.hub}-{header.client}-{header.bundle.hex()[:8]}{SUFFIX}"


def partial_of(path: Path) -> Path:
    """The name that a file has until it is whole."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def create_partial(files: Files, path: Path) -> OpenFile:
    """A new file, mode 0600, that shall become `path` by `complete`. Raises RequestError, StorageError."""
    _check_free(files, path)
    return files.create(partial_of(path))


def _check_free(files: Files, path: Path) -> None:
    if files.exists(path):
        raise RequestError(f"{path} exists already; choose another name")


def complete(files: Files, path: Path) -> None:
    """Gives the partial file its name, durably. Raises RequestError, StorageError."""
    _check_free(files, path)
    files.rename(partial_of(path), path)
    files.sync_directory(path.parent)


def copy(files: Files, source: OpenFile, placed: Placed, path: Path, advance: Advance) -> None:
    """Writes one bundle of a file to a file of its own. Raises StorageError; nothing is left then."""
    target = create_partial(files, path)
    try:
        for at in range(0, placed.header.total_bytes, PIECE_BYTES):
            length = min(PIECE_BYTES, placed.header.total_bytes - at)
            files.write_at(target, files.read_at(source, length, placed.at + at), at)
            advance(length)
        files.sync(target)
        complete(files, path)
    except BaseException:
        with suppress(StorageError):  # what went wrong before is what counts
            block_file.erase(files, partial_of(path))
        raise
    finally:
        files.close(target)


def erase(files: Files, path: Path, advance: Advance) -> None:
    """Overwrites a file and removes its name, durably. Raises StorageError, and leaves the name then."""
    for _ in block_file.erase_steps(files, path):
        advance(PIECE_BYTES)
    files.sync_directory(path.parent)


def check_space(needs: Iterable[tuple[Path, int]]) -> None:
    """Raises StorageError unless every directory's file system has room for its bytes, all together."""
    wanted: dict[int, int] = {}
    for directory, length in needs:
        try:
            device = directory.stat().st_dev
            status = os.statvfs(directory)
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from None
        wanted[device] = wanted.get(device, 0) + length
        free = status.f_bavail * status.f_frsize
        if free < wanted[device]:
            raise StorageError(
                f"{directory}: {show_size(wanted[device])} are needed on its file system, "
                f"{show_size(free)} are free"
            )
