"""One bundle, written and read from its first byte to its last, in pieces of 1 MiB.

    header | manifest, digest of both | groups: up to 256 chunks, then their checksums | digest of all

What a reader gives out has been verified against its checksum; that nothing is missing, moved or from
elsewhere is known when `finish` returns, and before that nothing may count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dsked import limits
from dsked.media import header as headers
from dsked.media import manifest, seal
from dsked.media.header import BundleError, Header
from dsked.media.manifest import DIGEST_BYTES, LENGTH_BYTES
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.block_file import CHECKSUM_BYTES, chunk_checksums, nr_chunks
from dsked.storage.files import Files, OpenFile
from dsked.storage.records import Delivery


class BundleWriter:
    """Writes a bundle at an offset of a file. All methods raise StorageError."""

    def __init__(
        self, files: Files, file: OpenFile, at: int, header: Header, delivery: Delivery, key: bytes | None
    ) -> None:
        """`header` tells the body's length already (`Header.for_plain`); `key` where it has a seal."""
        head, body = headers.encode(header), manifest.encode(delivery)
        files.write_at(file, head, at)
        self._body = seal.body_writer(files, file, at, header, key)
        front = len(body).to_bytes(LENGTH_BYTES, "big") + body
        digest = hashlib.sha256(head + front).digest()
        self._body.write(front + digest)
        self._digest = hashlib.sha256(digest)

    def write_group(self, data: bytes) -> bytes:
        """The next group of the next block: as many bytes as `manifest.group_lengths` says.

        Gives the checksums of its chunks.
        """
        sums = chunk_checksums(data)
        self._digest.update(sums)
        self._body.write(data)
        self._body.write(sums)
        return sums

    def finish(self) -> None:
        """All groups have come. The file is not synced yet."""
        self._body.write(self._digest.digest())
        self._body.finish()


class BundleReader:
    """Reads the bundle at an offset of a file, whose header was read. All methods raise BundleError.

    `delivery` is what it says it brings.
    """

    def __init__(self, files: Files, file: OpenFile, at: int, header: Header, key: bytes | None) -> None:
        self._path = file.path
        self._body = seal.body_reader(files, file, at, header, key)
        raw, digest = self._read_front(headers.encode(header))
        self._digest = hashlib.sha256(digest)
        try:
            self.delivery = manifest.decode(raw, header)
        except ValueError as error:
            raise BundleError(f"{self._path}: its manifest is not understood: {error}") from None
        if header != header.for_plain(manifest.plain_bytes(self.delivery)):
            raise BundleError(f"{self._path}: damaged: its length does not fit its content")

    def groups(self, info: BlockInfo) -> Iterator[tuple[bytes, bytes]]:
        """(bytes, checksums) of the next block, in groups, verified. Blocks come in the manifest's order."""
        at = 0
        for length in manifest.group_lengths(info.size):
            data = self._body.read(length)
            sums = self._body.read(nr_chunks(length) * CHECKSUM_BYTES)
            if chunk_checksums(data) != sums:
                raise BundleError(
                    f"{self._path}: damaged: block {info.uuid.hex()}, {_first_difference(data, sums, at)}"
                )
            self._digest.update(sums)
            at += length
            yield data, sums

    def finish(self) -> None:
        """Raises BundleError unless the bundle is whole, and ends here."""
        if self._body.read(DIGEST_BYTES) != self._digest.digest():
            raise BundleError(f"{self._path}: damaged: blocks are missing, moved, or of another bundle")
        self._body.finish()

    def _read_front(self, head: bytes) -> tuple[bytes, bytes]:
        """(manifest, digest of header and manifest)."""
        length = self._body.read(LENGTH_BYTES)
        if int.from_bytes(length, "big") > limits.MAX_MANIFEST_BYTES:
            raise BundleError(f"{self._path}: the manifest is damaged")
        raw = self._body.read(int.from_bytes(length, "big"))
        digest = self._body.read(DIGEST_BYTES)
        if hashlib.sha256(head + length + raw).digest() != digest:
            raise BundleError(f"{self._path}: the manifest is damaged")
        return raw, digest


def _first_difference(data: bytes, sums: bytes, at: int) -> str:
    """The place of the first chunk whose checksum differs; the group begins `at` bytes into the block."""
    found = chunk_checksums(data)
    differs = (start for start in range(0, len(sums), CHECKSUM_BYTES)
               if found[start : start + CHECKSUM_BYTES] != sums[start : start + CHECKSUM_BYTES])  # fmt: skip
    first = next(differs) // CHECKSUM_BYTES * block_file.CHUNK_BYTES
    last = min(first + block_file.CHUNK_BYTES, len(data))
    return f"between byte {at + first} and byte {at + last}"
