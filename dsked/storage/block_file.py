"""A block's file: header, bytes, and a checksum for every chunk.

    [0, 4096)             header: magic, length, msgpack [uuid, stream, sequence, start, size], checksum
    [4096, 4096 + size)   the block's bytes
    then                  16 bytes for every chunk of 4096: its SHA-256, cut

A chunk is verified before any byte of it is used: a damaged file must never give a pad of zeros.
A checksum tells about the bytes, so it is overwritten as soon as a byte of its chunk is wiped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dsked.errors import StorageError
from dsked.psrd.store import BlockInfo
from dsked.storage.files import Files, OpenFile

MAGIC = b"DSKEBLK1"
HEADER_BYTES = 4096
CHUNK_BYTES = 4096
CHECKSUM_BYTES = 16
PIECE_BYTES = 1024 * 1024  # of long work: copying, overwriting
_LENGTH_BYTES = 4


def checksum(data: bytes | memoryview) -> bytes:
    """SHA-256 cut to CHECKSUM_BYTES: it guards against damage, the tags guard against people."""
    return hashlib.sha256(data).digest()[:CHECKSUM_BYTES]


def chunk_checksums(data: bytes | memoryview) -> bytes:
    """The checksums of the chunks of `data`, which begins where a chunk begins."""
    view = memoryview(data)
    return b"".join(checksum(view[at : at + CHUNK_BYTES]) for at in range(0, len(view), CHUNK_BYTES))


def nr_chunks(size: int) -> int:
    """Chunks of a block of `size` bytes; the last one may be shorter."""
    return -(-size // CHUNK_BYTES)


def file_bytes(size: int) -> int:
    """Length of the file of a block of `size` bytes."""
    return HEADER_BYTES + size + nr_chunks(size) * CHECKSUM_BYTES


def encode_header(stream_id: bytes, info: BlockInfo) -> bytes:
    """The header, padded to HEADER_BYTES."""
    fields = msgspec.msgpack.encode([info.uuid, stream_id, info.sequence, info.start, info.size])
    head = MAGIC + len(fields).to_bytes(_LENGTH_BYTES, "big") + fields
    return (head + checksum(head)).ljust(HEADER_BYTES, b"\0")


class BlockWriter:
    """Writes the file of a new block, from its first byte to its last."""

    def __init__(self, files: Files, path: Path, stream_id: bytes, info: BlockInfo) -> None:
        """Raises StorageError, as all its methods do."""
        self._files = files
        self._info = info
        self._file = files.create(path)
        self._written = 0
        self._checksums = bytearray()
        self._rest = b""  # of a chunk that is not whole yet
        self._open = True
        self._attempt(lambda: files.write_at(self._file, encode_header(stream_id, info), 0))

    def write(self, data: bytes | memoryview, checksums: bytes | None = None) -> None:
        """The next bytes of the block, any number; best in multiples of CHUNK_BYTES.

        `checksums`: of their chunks, where they are known already; all bytes before were whole chunks then.
        """
        assert self._written + len(data) <= self._info.size
        self._attempt(lambda: self._files.write_at(self._file, data, HEADER_BYTES + self._written))
        self._written += len(data)
        if checksums is not None:
            assert not self._rest and (len(data) % CHUNK_BYTES == 0 or self._written == self._info.size)
            self._checksums += checksums
            return
        if self._rest:
            data = self._rest + bytes(data)
        whole = len(data) - len(data) % CHUNK_BYTES
        self._checksums += chunk_checksums(memoryview(data)[:whole])
        self._rest = bytes(data[whole:])

    def finish(self) -> None:
        """The block is complete: its file is durable on return, its name in the directory not yet."""
        assert self._written == self._info.size
        self._checksums += chunk_checksums(self._rest)
        self._attempt(self._finish)
        self._close()

    def _finish(self) -> None:
        self._files.write_at(self._file, self._checksums, HEADER_BYTES + self._info.size)
        self._files.sync(self._file)

    def abandon(self) -> None:
        """Gives up: overwrites what was written, as far as the disk lets it, and removes the file."""
        if self._open:
            self._close()
            erase(self._files, self._file.path)

    def _attempt(self, call: Callable[[], None]) -> None:
        try:
            call()
        except StorageError:
            self.abandon()
            raise

    def _close(self) -> None:
        self._files.close(self._file)
        self._open = False


def read_header(files: Files, file: OpenFile) -> tuple[bytes, BlockInfo]:
    """(stream identity, what the block is). Raises StorageError if damaged, or of another version."""
    raw = files.read_at(file, HEADER_BYTES, 0)
    if raw[: len(MAGIC)] != MAGIC:
        if raw[: len(MAGIC) - 1] == MAGIC[:-1]:
            raise StorageError(
                f"{file.path}: a block file of version {raw[len(MAGIC) - 1 : len(MAGIC)]!r}; expected '1'"
            )
        raise StorageError(f"{file.path}: no block file, or its header is damaged")
    at = len(MAGIC) + _LENGTH_BYTES
    end = at + int.from_bytes(raw[len(MAGIC) : at], "big")
    if end > HEADER_BYTES - CHECKSUM_BYTES or raw[end : end + CHECKSUM_BYTES] != checksum(raw[:end]):
        raise StorageError(f"{file.path}: the header is damaged")
    try:
        uuid, stream_id, sequence, start, size = msgspec.msgpack.decode(
            raw[at:end], type=tuple[bytes, bytes, int, int, int]
        )
    except msgspec.MsgspecError:
        raise StorageError(f"{file.path}: the header is damaged") from None
    return stream_id, BlockInfo(sequence, uuid, start, size)


def check_header(files: Files, file: OpenFile, stream_id: bytes, info: BlockInfo) -> None:
    """Raises StorageError unless the file is the one of this block, at its full length."""
    if read_header(files, file) != (stream_id, info):
        raise StorageError(f"{file.path}: holds another block than the one of this place")
    if files.size(file) != file_bytes(info.size):
        raise StorageError(f"{file.path}: has {files.size(file)} bytes, {file_bytes(info.size)} are expected")


def read_chunks(files: Files, file: OpenFile, size: int, first: int, last: int) -> tuple[bytes, bytes]:
    """(bytes, checksums) of the chunks `first` to `last` (excluded), as they stand, not verified."""
    start, end = first * CHUNK_BYTES, min(last * CHUNK_BYTES, size)
    data = files.read_at(file, end - start, HEADER_BYTES + start)
    sums = files.read_at(file, (last - first) * CHECKSUM_BYTES, HEADER_BYTES + size + first * CHECKSUM_BYTES)
    return data, sums


def verify(files: Files, file: OpenFile, size: int, start: int = 0) -> Iterator[int]:
    """Verifies the chunks that begin at `start` or later, without using them.

    Yields the number of bytes after every piece. Raises StorageError that names the first damaged chunk.
    """
    step = PIECE_BYTES // CHUNK_BYTES
    for first in range(nr_chunks(start), nr_chunks(size), step):
        last = min(first + step, nr_chunks(size))
        data, sums = read_chunks(files, file, size, first, last)
        if chunk_checksums(data) != sums:
            raise StorageError(f"{file.path}: damaged between byte {first * CHUNK_BYTES} and byte "
                               f"{min(last * CHUNK_BYTES, size)} of the block")  # fmt: skip
        yield len(data)


def wipe(files: Files, file: OpenFile, size: int, start: int, end: int) -> None:
    """Overwrites the block's bytes [start, end), and the checksums of the chunks that they lie in."""
    first, last = start // CHUNK_BYTES, nr_chunks(end)
    sums = bytes((last - first) * CHECKSUM_BYTES)
    files.write_at(file, sums, HEADER_BYTES + size + first * CHECKSUM_BYTES)
    for at in range(start, end, PIECE_BYTES):
        files.write_at(file, bytes(min(PIECE_BYTES, end - at)), HEADER_BYTES + at)


def erase_steps(files: Files, path: Path) -> Iterator[None]:
    """Overwrites a whole file with zeros, then removes it; yields after every piece. Raises StorageError.

    The zeros are synced before the name goes: else the system would drop them unwritten.
    """
    file = files.open(path, write=True)
    try:
        size = files.size(file)
        for at in range(0, size, PIECE_BYTES):
            files.write_at(file, bytes(min(PIECE_BYTES, size - at)), at)
            yield
        files.sync(file)
    finally:
        files.close(file)
    files.remove(path)


def erase(files: Files, path: Path) -> None:
    """Overwrites a file as far as the disk lets it, and removes it in any case. Raises StorageError."""
    try:
        for _ in erase_steps(files, path):
            pass
    except StorageError:
        files.remove(path)
