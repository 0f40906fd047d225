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

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.poly1305 import Poly1305

from dsked.sharing.gfp import P

BLOCK_BYTES = 15  # the largest whole number of bytes that is always below p
HASH_KEY_BYTES = 16
_ZERO_MASK = bytes(16)
_BLOCK_BITS = 8 * BLOCK_BYTES
_BLOCK = (1 << _BLOCK_BITS) - 1


def block_count(message_bytes: int) -> int:
    """d: the number of blocks of a message of this length."""
    return -(-message_bytes // BLOCK_BYTES)


def tag(x: int, message: bytes) -> int:
    """f(x; message), for x in [0, p): the message is cut into 15-byte little-endian blocks.

    The last block is filled with zeros: messages must be prefix-free and tell their length.
    """
    total = x
    for at in range(0, len(message), BLOCK_BYTES):
        total = (total * x + int.from_bytes(message[at : at + BLOCK_BYTES], "little")) % P
    return total * x % P


class Frame(NamedTuple):
    """Messages that differ in two places only, cut into blocks once: `head` and `tail` lack what differs.

    Offsets are in bits; `head_blocks` and `tail_blocks` are those of the blocks.
    """

    head: int
    head_at: int
    head_blocks: tuple[int, ...]
    middle: tuple[int, ...]  # whole blocks that are in all messages
    tail: int
    tail_at: int
    tail_blocks: tuple[int, ...]


def frame(before: bytes, first_bytes: int, between: bytes, last_bytes: int) -> Frame:
    """The frame of messages before | first | between | last, where `first` and `last` differ.

    At least BLOCK_BYTES lie between, so that no block holds bytes of both.
    """
    assert len(between) >= BLOCK_BYTES
    tail_start = len(before) + first_bytes + len(between)
    message = before + bytes(first_bytes) + between + bytes(last_bytes)
    head_end = block_count(len(before) + first_bytes) * BLOCK_BYTES
    middle_end = tail_start // BLOCK_BYTES * BLOCK_BYTES
    blocks = range(head_end, middle_end, BLOCK_BYTES)
    return Frame(
        int.from_bytes(message[:head_end], "little"),
        8 * len(before),
        tuple(range(0, 8 * head_end, _BLOCK_BITS)),
        tuple([int.from_bytes(message[at : at + BLOCK_BYTES], "little") for at in blocks]),
        int.from_bytes(message[middle_end:], "little"),
        8 * (tail_start - middle_end),
        tuple(range(0, 8 * (len(message) - middle_end), _BLOCK_BITS)),
    )


def tags(of: Frame, xs: Iterable[int], firsts: Sequence[bytes], lasts: Sequence[bytes]) -> list[int]:
    """f(x; message) of each message, for its x in [0, p), and what stands in the two places of the frame.

    What `tag` gives for each message alone, in three quarters of the time. One fold (2^127 = 1) in place of
    a division: a total grows by less than 2^127 with every block.
    """
    found = []
    for x, first, last in zip(xs, firsts, lasts, strict=True):
        head = of.head + (int.from_bytes(first, "little") << of.head_at)
        tail = of.tail + (int.from_bytes(last, "little") << of.tail_at)
        total = x
        for at in of.head_blocks:
            total = total * x + (head >> at & _BLOCK)
            total = (total & P) + (total >> 127)
        for block in of.middle:
            total = total * x + block
            total = (total & P) + (total >> 127)
        for at in of.tail_blocks:
            total = total * x + (tail >> at & _BLOCK)
            total = (total & P) + (total >> 127)
        found.append(total * x % P)
    return found


def key_hash(hash_key: bytes, key: bytes) -> bytes:
    """h = Poly1305(r || 0^16; key), 16 bytes, for r = `hash_key` of 16 bytes: stands in for a long key.

    r is clamped inside Poly1305 only. For two different keys of at most L bytes, and any difference
    chosen before, the hashes differ by it with probability at most 8 * ceil(L / 16) / 2^106
    (Bernstein, FSE 2005).
    """
    return Poly1305.generate_tag(hash_key + _ZERO_MASK, key)
