"""Canonical msgpack of a value, and the file of a bundle without a seal."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any


def packed(value: Any) -> bytes:
    """The one encoding of a value."""
    if value is None or isinstance(value, bool):
        return b"\xc0" if value is None else b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _head(value, ((0x7F, 0), (0xFF, 0xCC), (0xFFFF, 0xCD), (2**32 - 1, 0xCE), (2**64 - 1, 0xCF)))
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), ((31, 0xA0), (0xFF, 0xD9), (0xFFFF, 0xDA), (2**32 - 1, 0xDB))) + data
    if isinstance(value, bytes):
        return _head(len(value), ((-1, 0), (0xFF, 0xC4), (0xFFFF, 0xC5), (2**32 - 1, 0xC6))) + value
    if isinstance(value, list):
        return _head(len(value), ((15, 0x90), (0xFFFF, 0xDC), (2**32 - 1, 0xDD))) + b"".join(
            map(packed, value)
        )
    pairs = b"".join(packed(key) + packed(item) for key, item in sorted(value.items()))
    return _head(len(value), ((15, 0x80), (0xFFFF, 0xDE))) + pairs


def _head(number: int, forms: tuple[tuple[int, int], ...]) -> bytes:
    """The first form that holds the number; the first of all holds it in its own byte."""
    index = next(i for i, (most, _) in enumerate(forms) if number <= most)
    most, first = forms[index]
    if index == 0:
        return bytes([first + number])
    layout = {0xFF: ">BB", 0xFFFF: ">BH", 2**32 - 1: ">BI", 2**64 - 1: ">BQ"}[most]
    return struct.pack(layout, first, number)


def plain_bundle(fields: list[Any], manifest: list[Any], blocks: Sequence[bytes]) -> bytes:
    """The file of a bundle (bundles.md, sections 1 and 2); `blocks` in the manifest's order."""
    told = packed(manifest)
    start = struct.pack(">I", len(told)) + told
    groups = [block[at : at + 1048576] for block in blocks for at in range(0, len(block), 1048576)]
    sums = [
        b"".join(_checksum(group[at : at + 4096]) for at in range(0, len(group), 4096)) for group in groups
    ]
    data = b"".join(group + own for group, own in zip(groups, sums, strict=True))
    head = packed(fields)
    head = b"DSKEPSRD" + struct.pack(">IIQ", 1, len(head), len(start) + 64 + len(data)) + head
    head += _checksum(head)
    first = hashlib.sha256(head + start).digest()
    return head + start + first + data + hashlib.sha256(first + b"".join(sums)).digest()


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]
