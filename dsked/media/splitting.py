"""`psrd split`: a local distributor cuts a file of many clients' bundles, without opening any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dsked.errors import RequestError
from dsked.media import header as headers
from dsked.media import medium
from dsked.media.medium import Advance, Placed
from dsked.storage import block_file
from dsked.storage.files import Files, OpenFile


def split(files: Files, path: Path, directory: Path, advance: Advance) -> list[Path]:
    """Writes every bundle of a file to a file of its own in `directory`, and returns their paths.

    Run again after an interruption it goes on: whole files are left as they are. Raises BundleError,
    StorageError, RequestError where a file of that name holds something else.
    """
    with medium.opened(files, path) as file:
        return write_out(files, file, medium.scan(files, file), directory, advance)


def write_out(
    files: Files, source: OpenFile, placed: Sequence[Placed], directory: Path, advance: Advance
) -> list[Path]:
    """The same for some bundles of an open file."""
    targets = [directory / medium.file_name(one.header) for one in placed]
    pairs = zip(placed, targets, strict=True)
    missing = [(one, target) for one, target in pairs if not _there(files, one, target, advance)]
    medium.check_space((directory, one.header.total_bytes) for one, _ in missing)
    for one, target in missing:
        _discard_partial(files, target)
        medium.copy(files, source, one, target, advance)
    return targets


def _there(files: Files, placed: Placed, target: Path, advance: Advance) -> bool:
    """Whether an earlier run has made this file."""
    if not files.exists(target):
        return False
    with medium.opened(files, target) as file:
        whole = files.size(file) == placed.header.total_bytes and headers.read(files, file) == placed.header
    if not whole:
        raise RequestError(f"{target} exists already and is not this bundle; choose another directory")
    advance(placed.header.total_bytes)
    return True


def _discard_partial(files: Files, target: Path) -> None:
    partial = medium.partial_of(target)
    if files.exists(partial):
        block_file.erase(files, partial)
