"""Sealing of simulated PSRD under the pair's gate key: the only frames without pads.

ChaCha20-Poly1305 (RFC 8439) under HKDF-SHA256(gate key, salt = Nh || Nc, info = label and
direction), one key and one counter a direction and connection, the frame's header as associated
data. It keeps other local processes from the pads of a laboratory; it is not information-theoretic.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dsked.errors import FrameError, TagError
from dsked.limits import AEAD_NONCE_BYTES, TAG_BYTES
from dsked.psrd.pair import Side
from dsked.secrecy import no_pickle
from dsked.wire.frame import (
    HEADER_BYTES,
    Header,
    body_of,
    decode_header,
    encode_untagged,
)
from dsked.wire.messages import Message, decode_body, encode_body

_INFO = b"dsked 1 simulated PSRD "
_NO_TAG = bytes(TAG_BYTES)


class _Direction:
    """One key and one counter. The AEAD is made for each frame (1 us): while idle it would keep 2.2 KiB."""

    __slots__ = ("_counter", "_key")
    __reduce__ = no_pickle

    def __init__(self, gate_key: bytes, hub_nonce: bytes, client_nonce: bytes, sender: Side) -> None:
        kdf = HKDF(SHA256(), length=32, salt=hub_nonce + client_nonce, info=_INFO + sender.value)
        self._key = kdf.derive(gate_key)
        self._counter = 0

    def nonce(self) -> bytes:
        nonce = self._counter.to_bytes(AEAD_NONCE_BYTES, "big")
        self._counter += 1
        return nonce

    def seal(self, data: bytes, header: bytes) -> bytes:
        return ChaCha20Poly1305(self._key).encrypt(self.nonce(), data, header)

    def open(self, data: bytes, header: bytes) -> bytes:
        try:
            return ChaCha20Poly1305(self._key).decrypt(self.nonce(), data, header)
        except InvalidTag:
            raise TagError("a sealed PSRD frame does not verify") from None


class Sealer:
    """Seals and opens the PSRD_REQUEST and PSRD_BLOCK frames of one connection."""

    __slots__ = ("_in", "_out")

    def __init__(self, side: Side, gate_key: bytes, hub_nonce: bytes, client_nonce: bytes) -> None:
        self._out = _Direction(gate_key, hub_nonce, client_nonce, side)
        self._in = _Direction(gate_key, hub_nonce, client_nonce, side.other)

    def seal(self, request_id: int, message: Message) -> bytes:
        """A whole frame; position, pads, ack and tag are zero."""
        header = Header(int(message.type), request_id, position=0, pads=0, ack=0)
        body = encode_body(message)
        sealed_bytes = len(body) + TAG_BYTES
        associated = encode_untagged(header, bytes(sealed_bytes))[:HEADER_BYTES]
        return encode_untagged(header, self._out.seal(body, associated)) + _NO_TAG

    def open(self, frame: bytes) -> tuple[int, Message]:
        """(request id, message). Raises FrameError or TagError."""
        header = decode_header(frame)
        if (header.position, header.pads, header.ack, frame[-TAG_BYTES:]) != (0, 0, 0, _NO_TAG):
            raise FrameError("position, pads, ack and tag of a sealed frame are zero")
        body = self._in.open(body_of(frame), frame[:HEADER_BYTES])
        return header.request_id, decode_body(header.type, body)
