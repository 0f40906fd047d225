"""The one-time pad: XOR with pool bytes, and nothing else (proto/frames.md, section 2)."""

from __future__ import annotations

from dsked.sharing.gf256 import xor

__all__ = ["apply_pad"]


def apply_pad(data: bytes, pad: bytes | memoryview) -> bytes:
    """`data` XOR `pad`, both of the same number of bytes; the same call encrypts and decrypts."""
    if len(data) != len(pad):
        raise ValueError(f"a pad of {len(pad)} bytes cannot cover {len(data)} bytes")
    return xor(data, pad)
