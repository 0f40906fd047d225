"""The file of all durable marks of a node: one slot per stream, so that one sync commits them all.

    [0, 4096)   header: magic with the version, checksum, zeros
    then        slots of 64 bytes: stream identity, mark, wiped, number of the slot, zeros, checksum

A slot never crosses a sector, so a write of it is there or not. One that is damaged all the same is
refused: an older mark in its place would mean bytes used twice. A slot of zeros is free.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dsked.errors import StorageError
from dsked.limits import STREAM_ID_BYTES
from dsked.storage.block_file import CHECKSUM_BYTES, checksum
from dsked.storage.files import Files, OpenFile
from dsked.storage.records import replace_file

MAGIC = b"DSKEMRK1"
HEADER_BYTES = 4096
SLOT_BYTES = 64
GROWTH_BYTES = 4096  # the file grows by 64 slots
_FIELDS = struct.Struct(f">{STREAM_ID_BYTES}sQQQ8x")  # stream identity, mark, wiped, number of the slot
_FREE = bytes(SLOT_BYTES)


@dataclass(frozen=True, slots=True)
class Mark:
    """What is durable of a stream: its mark, and how far its bytes are surely overwritten."""

    stream_id: bytes
    mark: int
    wiped: int


def _encode(slot: int, mark: Mark) -> bytes:
    fields = _FIELDS.pack(mark.stream_id, mark.mark, mark.wiped, slot)
    return fields + checksum(fields)


class MarkFile:
    """The open file. All methods raise StorageError."""

    def __init__(self, files: Files, file: OpenFile, nr_slots: int) -> None:
        self._files = files
        self._file = file
        self.nr_slots = nr_slots

    @classmethod
    def create(cls, files: Files, path: Path) -> None:
        """A file without slots, durable on return; its name appears whole or not at all."""
        replace_file(files, path, (MAGIC + checksum(MAGIC)).ljust(HEADER_BYTES, b"\0"))

    @classmethod
    def open(cls, files: Files, path: Path) -> MarkFile:
        """Raises StorageError if it is missing, damaged or of another version."""
        file = files.open(path, write=True)
        try:
            head = files.read_at(file, len(MAGIC) + CHECKSUM_BYTES, 0)
            if head[: len(MAGIC) - 1] == MAGIC[:-1] and head[: len(MAGIC)] != MAGIC:
                raise StorageError(f"{path}: a file of marks of version {head[7:8]!r}; expected '1'")
            if head != MAGIC + checksum(MAGIC):
                raise StorageError(f"{path}: no file of marks, or its header is damaged")
            return cls(files, file, (files.size(file) - HEADER_BYTES) // SLOT_BYTES)
        except StorageError:
            files.close(file)
            raise

    def read(self, slot: int) -> Mark | None:
        """What stands in a slot; None if it is free. Raises StorageError if it is damaged."""
        if slot >= self.nr_slots:
            raise StorageError(f"{self._file.path}: has {self.nr_slots} slots, slot {slot} is missing")
        raw = self._files.read_at(self._file, SLOT_BYTES, _offset(slot))
        if raw == _FREE:
            return None
        stream_id, mark, wiped, number = _FIELDS.unpack(raw[: _FIELDS.size])
        if raw[_FIELDS.size :] != checksum(raw[: _FIELDS.size]) or number != slot or wiped > mark:
            raise StorageError(f"{self._file.path}: slot {slot} is damaged: this pool's mark is lost")
        return Mark(stream_id, mark, wiped)

    def write(self, marks: Iterable[tuple[int, Mark | None]]) -> None:
        """Writes slots; they are durable after `sync`."""
        for slot, mark in marks:
            while slot >= self.nr_slots:
                self._grow()
            self._files.write_at(self._file, _FREE if mark is None else _encode(slot, mark), _offset(slot))

    def _grow(self) -> None:
        self._files.write_at(self._file, bytes(GROWTH_BYTES), _offset(self.nr_slots))
        self._files.sync(self._file)
        self.nr_slots += GROWTH_BYTES // SLOT_BYTES

    def sync(self) -> None:
        """Makes durable what was written. Where it fails, none of it may be relied on, now or later."""
        self._files.sync_data(self._file)

    def close(self) -> None:
        """Closes the file."""
        self._files.close(self._file)


def _offset(slot: int) -> int:
    return HEADER_BYTES + slot * SLOT_BYTES
