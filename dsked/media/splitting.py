"""`psrd split`: a local distributor cuts a file of many clients' bundles, without opening any of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dsked.errors import RequestError
from dsked.media import medium
from dsked.media.medium import Advance, Placed
from dsked.storage import block_file
from dsked.storage.block_file import PIECE_BYTES
from dsked.storage.files import Files, OpenFile


class Cut(NamedTuple):
    """A file that holds one bundle of those that were cut; `was_there`: since before, byte for byte."""

    path: Path
    was_there: bool


def split(files: Files, path: Path, directory: Path, advance: Advance) -> list[Cut]:
    """Writes every bundle of a file to a file of its own in `directory`; durable on return.

    Run again after an interruption it goes on: whole files are left as they are. Raises BundleError,
    StorageError, RequestError where a file of that name holds something else.
    """
    with medium.opened(files, path) as file:
        return write_out(files, file, medium.scan(files, file), directory, advance)


def write_out(
    files: Files, source: OpenFile, placed: Sequence[Placed], directory: Path, advance: Advance
) -> list[Cut]:
    """The same for some bundles of an open file."""
    targets = [directory / medium.file_name(one.header) for one in placed]
    cuts = [
        Cut(target, _there(files, source, one, target, advance))
        for one, target in zip(placed, targets, strict=True)
    ]
    missing = [(one, cut.path) for one, cut in zip(placed, cuts, strict=True) if not cut.was_there]
    medium.check_space((directory, one.header.total_bytes) for one, _ in missing)
    for one, target in missing:
        _discard_partial(files, target)
        medium.copy(files, source, one, target, advance)
    return cuts


def _there(files: Files, source: OpenFile, placed: Placed, target: Path, advance: Advance) -> bool:
    """Whether an earlier run has made this file: whole, durable, and not the source itself.

    The source may be erased next: a file that only looks like the bundle must not be taken for it.
    """
    if not files.exists(target):
        return False
    with medium.opened(files, target) as file:
        if os.path.sameopenfile(file.fd, source.fd):
            raise RequestError(f"{target} is the file that is to be cut; choose another directory")
        if not _same(files, source, placed, file, advance):
            raise RequestError(
                f"{target} exists already and is not this bundle, or is damaged; choose another directory, "
                "or erase it"
            )
        files.sync(file)
    files.sync_directory(target.parent)
    return True


def _same(files: Files, source: OpenFile, placed: Placed, file: OpenFile, advance: Advance) -> bool:
    """Whether a file holds this bundle and nothing else."""
    length = placed.header.total_bytes
    if files.size(file) != length:
        return False
    for at in range(0, length, PIECE_BYTES):
        piece = min(PIECE_BYTES, length - at)
        if files.read_at(file, piece, at) != files.read_at(source, piece, placed.at + at):
            return False
        advance(piece)
    return True


def _discard_partial(files: Files, target: Path) -> None:
    partial = medium.partial_of(target)
    if files.exists(partial):
        block_file.erase(files, partial)
