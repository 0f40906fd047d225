"""Poly1305, ChaCha20, their AEAD, HKDF and the gate MAC, as the RFCs write them down. Slow, and small."""

from __future__ import annotations

import hashlib
import hmac
import struct


class NotAuthenticError(Exception):
    """A MAC or tag does not verify."""


def poly1305(key: bytes, message: bytes) -> bytes:
    """RFC 8439, section 2.5.1."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC_0FFFFFFC_0FFFFFFC_0FFFFFFF
    total = 0
    for start in range(0, len(message), 16):
        total = (total + int.from_bytes(message[start : start + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def gate_mac(gate_key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256, 32 bytes."""
    return hmac.digest(gate_key, data, hashlib.sha256)


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256: 32 bytes."""
    return gate_mac(gate_mac(salt, key), info + b"\1")


def open_aead(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """ChaCha20-Poly1305, RFC 8439, section 2.8. Raises NotAuthenticError."""
    data, tag = sealed[:-16], sealed[-16:]
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated, data))
    covered = padded + struct.pack("<QQ", len(associated), len(data))
    if not hmac.compare_digest(poly1305(chacha20(key, 0, nonce, 32), covered), tag):
        raise NotAuthenticError("the AEAD tag does not verify")
    return xor(data, chacha20(key, 1, nonce, len(data)))


def xor(one: bytes, other: bytes) -> bytes:
    """Byte by byte; both are of one length."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def chacha20(key: bytes, counter: int, nonce: bytes, length: int) -> bytes:
    """RFC 8439, section 2.4: `length` bytes of key stream."""
    blocks = (_block(key, counter + i, nonce) for i in range(-(-length // 64)))
    return b"".join(blocks)[:length]


_ROUNDS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))  # fmt: skip


def _block(key: bytes, counter: int, nonce: bytes) -> bytes:
    start = struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce)
    state = list(start)
    for _ in range(10):
        for a, b, c, d in _ROUNDS:
            for to, by, other, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[to] = (state[to] + state[by]) & 0xFFFFFFFF
                mixed = state[other] ^ state[to]
                state[other] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(start, state, strict=True)))
