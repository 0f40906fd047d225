"""Sums of strings: what is added to a share, in either field, to make it another one."""

from __future__ import annotations

from dsked.sharing import gf256, gfp


def add(data: bytes, difference: bytes) -> bytes:
    """XOR, the shorter difference repeated."""
    repeated = (difference * (len(data) // len(difference) + 1))[: len(data)]
    return gf256.xor(data, repeated)


def add_elements(string: bytes, difference: bytes) -> bytes:
    """The sum of two strings of elements of GF(p)."""
    size = gfp.ELEMENT_BYTES
    pieces = range(0, len(string), size)
    sums = ((_element(string[i : i + size]) + _element(difference[i : i + size])) % gfp.P for i in pieces)
    return b"".join(number.to_bytes(size, "little") for number in sums)


def _element(string: bytes) -> int:
    return int.from_bytes(string, "little")
