"""The body of a bundle as a stream of plain bytes, sealed under a passphrase or not.

A sealed body is cut into chunks, each under ChaCha20-Poly1305 with a nonce of an 11-byte counter and
a mark on the last chunk (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizar, 2015), and with
the clear header as associated data. So nothing can be left out, moved, appended, or taken from another
bundle: every bundle has a salt, and thereby a key, of its own.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dsked.media import header as headers
from dsked.media.header import SEAL_TAG_BYTES, BundleError, Header, Seal, WrongPassphraseError
from dsked.storage.files import Files, OpenFile

_KEY_BYTES = 32
_COUNTER_BYTES = 11


class BodyWriter(Protocol):
    """Takes the plain bytes of a body, in order. All raise StorageError."""

    def write(self, data: bytes) -> None:
        """The next bytes."""

    def finish(self) -> None:
        """All bytes have come."""


class BodyReader(Protocol):
    """Gives the plain bytes of a body, in order. All raise BundleError, StorageError."""

    def read(self, length: int) -> bytes:
        """Exactly so many."""

    def finish(self) -> None:
        """Raises BundleError if anything is left."""


def derive_key(passphrase: str, seal: Seal) -> bytes:
    """32 bytes from a passphrase (UTF-8 of its NFC form). Takes the memory and time that the seal says."""
    secret = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(seal.salt, _KEY_BYTES, 1 << seal.log2_n, seal.r, seal.p).derive(secret)


def body_writer(files: Files, file: OpenFile, at: int, header: Header, key: bytes | None) -> BodyWriter:
    """Writes the body of the bundle that begins at `at`; `key` where the header has a seal."""
    start = at + len(headers.encode(header))
    if header.seal is None:
        return _PlainWriter(files, file, start)
    assert key is not None
    return _SealedWriter(files, file, start, header, header.seal.chunk_bytes, key)


def body_reader(files: Files, file: OpenFile, at: int, header: Header, key: bytes | None) -> BodyReader:
    """Reads the body of the bundle that begins at `at`; `key` where the header has a seal."""
    start = at + len(headers.encode(header))
    if header.seal is None:
        return _PlainReader(files, file, start, header)
    assert key is not None
    return _SealedReader(files, file, start, header, header.seal.chunk_bytes, key)


class _PlainWriter:
    def __init__(self, files: Files, file: OpenFile, start: int) -> None:
        self._files, self._file, self._at = files, file, start

    def write(self, data: bytes) -> None:
        self._files.write_at(self._file, data, self._at)
        self._at += len(data)

    def finish(self) -> None:
        """Nothing is held back."""


class _PlainReader:
    def __init__(self, files: Files, file: OpenFile, start: int, header: Header) -> None:
        self._files, self._file, self._at = files, file, start
        self._end = start + header.body_bytes

    def read(self, length: int) -> bytes:
        if self._at + length > self._end:
            raise BundleError(f"{self._file.path}: damaged: its length does not fit its content")
        data = self._files.read_at(self._file, length, self._at)
        self._at += length
        return data

    def finish(self) -> None:
        if self._at != self._end:
            raise BundleError(f"{self._file.path}: damaged: its length does not fit its content")


class _Chunks:
    """Nonces and associated data of the chunks of one sealed body."""

    def __init__(self, header: Header, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._associated = headers.encode(header)
        self.number = 0

    def seal(self, plain: bytes | bytearray, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(last), plain, self._associated)

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """Raises InvalidTag."""
        return self._aead.decrypt(self._nonce(last), sealed, self._associated)

    def _nonce(self, last: bool) -> bytes:
        nonce = self.number.to_bytes(_COUNTER_BYTES, "big") + bytes([last])
        self.number += 1
        return nonce


class _SealedWriter:
    def __init__(
        self, files: Files, file: OpenFile, start: int, header: Header, chunk_bytes: int, key: bytes
    ) -> None:
        self._out = _PlainWriter(files, file, start)
        self._chunks = _Chunks(header, key)
        self._chunk_bytes = chunk_bytes
        self._rest = bytearray()

    def write(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) > self._chunk_bytes:  # what may be the last chunk waits
            self._out.write(self._chunks.seal(self._rest[: self._chunk_bytes], last=False))
            del self._rest[: self._chunk_bytes]

    def finish(self) -> None:
        self._out.write(self._chunks.seal(self._rest, last=True))
        self._rest.clear()


class _SealedReader:
    def __init__(
        self, files: Files, file: OpenFile, start: int, header: Header, chunk_bytes: int, key: bytes
    ) -> None:
        self._source = _PlainReader(files, file, start, header)
        self._path = file.path
        self._chunks = _Chunks(header, key)
        self._sealed_chunk_bytes = chunk_bytes + SEAL_TAG_BYTES
        self._left = header.body_bytes
        self._rest = bytearray()

    def read(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._rest += self._next_chunk()
        data = bytes(self._rest[:length])
        del self._rest[:length]
        return data

    def finish(self) -> None:
        if self._left or self._rest:
            raise BundleError(f"{self._path}: damaged: its length does not fit its content")

    def _next_chunk(self) -> bytes:
        length = min(self._left, self._sealed_chunk_bytes)
        if length <= SEAL_TAG_BYTES:  # an empty chunk says nothing: none is ever written
            raise BundleError(f"{self._path}: damaged: its length does not fit its content")
        sealed = self._source.read(length)
        self._left -= length
        number = self._chunks.number
        try:
            return self._chunks.open(sealed, last=self._left == 0)
        except InvalidTag:
            raise _not_opened(self._path, number) from None


def _not_opened(path: Path, number: int) -> BundleError:
    if number == 0:
        return WrongPassphraseError(f"{path}: wrong passphrase, or the bundle is damaged")
    return BundleError(f"{path}: the seal of chunk {number} does not fit: the bundle is damaged")
