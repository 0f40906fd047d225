"""The secret tag: an algebraic manipulation detection (AMD) code over GF(2^127 - 1).

Shamir shares are linear: k - 1 lying hubs can add a difference of their choice to all that a responder
rebuilds, a key of a message authentication code included. An AMD code detects every such difference
though the attacker knows the message (Cramer, Dodis, Fehr, Padro, Wichs, EUROCRYPT 2008). With x uniform
and m_1 .. m_d the blocks of the message,

    f = (...((x^2 + m_1) x + m_2) x + ... + m_d) x = x^(d+2) + m_1 x^d + ... + m_d x   mod p.

Message, x and f are shared. For fixed differences of which one is not zero the check passes with
probability at most (d + 2) / p: f(x + Dx; m') - f(x; m) - Df is a polynomial in x that does not vanish,
since for Dx != 0 its coefficient of x^(d+1) is (d + 2) Dx, and for Dx = 0 it is a difference of two
polynomials of degree at most d with different messages, or a nonzero constant.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from cryptography.hazmat.primitives.poly1305 import Poly1305

from dsked.sharing.gfp import P

BLOCK_BYTES = 15  # the largest whole number of bytes that is always below p
HASH_KEY_BYTES = 16
_ZERO_MASK = bytes(16)


@lru_cache(maxsize=256)
def _layout(blocks: int) -> struct.Struct:
    return struct.Struct(f"{BLOCK_BYTES}s" * blocks)


def block_count(message_bytes: int) -> int:
    """d: the number of blocks of a message of this length."""
    return -(-message_bytes // BLOCK_BYTES)


def tag(x: int, message: bytes) -> int:
    """f(x; message), for x in [0, p): the message is cut into 15-byte little-endian blocks.

    The last block is padded with zeros: messages must be prefix-free and tell their length.
    """
    blocks = block_count(len(message))
    total = x
    for block in _layout(blocks).unpack(message.ljust(blocks * BLOCK_BYTES, b"\0")):
        # One fold (2^127 = 1) in place of a division: total grows by less than 2^127 with every block.
        total = total * x + int.from_bytes(block, "little")
        total = (total & P) + (total >> 127)
    return total * x % P


def key_hash(hash_key: bytes, key: bytes) -> bytes:
    """h = Poly1305(r || 0^16; key), 16 bytes, for r = `hash_key` of 16 bytes: stands in for a long key.

    r is clamped inside Poly1305 only. For two different keys of at most L bytes, and any difference
    chosen before, the hashes differ by it with probability at most 8 * ceil(L / 16) / 2^106
    (Bernstein, FSE 2005).
    """
    return Poly1305.generate_tag(hash_key + _ZERO_MASK, key)
