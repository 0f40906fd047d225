"""Message wrapping: whole frames inside ChaCha20-Poly1305, under keys that WRAP took from the pools.

It hides what frames say of names, keys and sizes, and turns outsiders away before anything of a pool is read.
No security of keys rests on it: inside, frames are as they are without it. proto/wrapping.md is the
specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from dsked.errors import FrameError, TagError
from dsked.limits import AEAD_NONCE_BYTES
from dsked.secrecy import no_pickle
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.session import Session

ARRAY_OF_1 = 0x91
_BIN32 = 0xC6
_HEAD = struct.Struct(">IBBI")
_HEAD_BYTES = _HEAD.size
_TAG_BYTES = 16


def _head(wrapped_bytes: int) -> bytes:
    """What stands before so many bytes of ciphertext and tag, and is covered by the tag as well."""
    return _HEAD.pack(_HEAD_BYTES - LENGTH_BYTES + wrapped_bytes, ARRAY_OF_1, _BIN32, wrapped_bytes)


class _Direction:
    """One key, and the number of the next piece. The AEAD is kept: to make it takes longer than to use it."""

    __slots__ = ("_aead", "_number")
    __reduce__ = no_pickle

    def __init__(self, key: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._number = 0

    def seal(self, frame: bytes) -> bytes:
        inner = frame[LENGTH_BYTES:]
        head = _head(len(inner) + _TAG_BYTES)
        nonce = self._number.to_bytes(AEAD_NONCE_BYTES, "big")
        self._number += 1
        return head + self._aead.encrypt(nonce, inner, head)

    def open(self, piece: bytes) -> bytes:
        head = piece[:_HEAD_BYTES]
        if len(piece) < _HEAD_BYTES + _TAG_BYTES or head != _head(len(piece) - _HEAD_BYTES):
            raise FrameError("a piece that is not wrapped, or whose header bytes are wrong")
        nonce = self._number.to_bytes(AEAD_NONCE_BYTES, "big")
        try:
            inner = self._aead.decrypt(nonce, piece[_HEAD_BYTES:], head)
        except InvalidTag:
            raise TagError("a wrapped piece does not verify") from None
        self._number += 1
        return len(inner).to_bytes(LENGTH_BYTES, "big") + inner


class Wrapper:
    """Both directions of one connection on which wrapping is in force, each from its WRAP on."""

    __slots__ = ("_inward", "_outward", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inward: _Direction | None = None
        self._outward: _Direction | None = None

    @property
    def opens(self) -> bool:
        """True once the peer's WRAP has come: what comes then is wrapped."""
        return self._inward is not None

    def open(self, piece: bytes) -> bytes:
        """The frame inside. Raises FrameError, TagError: nothing has changed then."""
        assert self._inward is not None
        return self._inward.open(piece)

    def begin(self, wrap: bytes) -> None:
        """Take the peer's WRAP. Raises FrameError on any other frame, and as `Session.open` does."""
        self._inward = _Direction(self._session.open_wrap(wrap))

    def seal(self, frame: bytes) -> bytes:
        """A sealed PSRD frame as it leaves: before the own WRAP as it is."""
        return frame if self._outward is None else self._outward.seal(frame)

    def seal_all(self, frames: Iterator[bytes]) -> Iterator[bytes]:
        """Frames of the session as they leave, behind the own WRAP; none as long as that cannot leave."""
        if self._outward is None:
            sealed = self._session.seal_wrap()
            if sealed is None:
                return
            wrap, key = sealed
            self._outward = _Direction(key)
            yield wrap
        for frame in frames:
            yield self._outward.seal(frame)
