"""Open block files, few at a time however many pools a node has."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from pathlib import Path

from dsked.limits import MAX_OPEN_BLOCK_FILES
from dsked.storage.files import Files, OpenFile

SUFFIX = ".block"


def block_path(directory: Path, block: bytes) -> Path:
    """The file of the block of this UUID (16 bytes)."""
    return directory / f"{uuid.UUID(bytes=block)}{SUFFIX}"


class OpenBlocks:
    """Block files by UUID, opened when needed; the one not needed for longest is closed. One thread's own."""

    def __init__(
        self, files: Files, directory: Path, *, write: bool = False, at_most: int = MAX_OPEN_BLOCK_FILES
    ) -> None:
        self.files = files
        self.directory = directory
        self._write = write
        self._at_most = at_most
        self._open: OrderedDict[bytes, OpenFile] = OrderedDict()

    def get(self, block: bytes) -> OpenFile:
        """The open file of a block. Raises StorageError."""
        file = self._open.get(block)
        if file is None:
            if len(self._open) >= self._at_most:
                self.files.close(self._open.popitem(last=False)[1])
            file = self.files.open(block_path(self.directory, block), write=self._write)
            self._open[block] = file
        else:
            self._open.move_to_end(block)
        return file

    def forget(self, block: bytes) -> None:
        """The block is used up: its file is closed."""
        file = self._open.pop(block, None)
        if file is not None:
            self.files.close(file)

    def close(self) -> None:
        """Closes all."""
        while self._open:
            self.files.close(self._open.popitem()[1])
