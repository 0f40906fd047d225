"""The secret tag, and keys out of shares (sharing.md)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

from decoding import fields
from decoding.ciphers import poly1305


class Share(NamedTuple):
    """What one hub has given of one key. `x` is the client's own configuration, never the hub's word."""

    x: int
    share: bytes
    code: bytes


def tag_message(terms: dict[str, Any], key_id: bytes, key: bytes, r: bytes) -> bytes:
    """The message under the secret tag, section 5."""
    responders = sorted(terms["responders"], key=lambda pair: [name.encode() for name in pair])
    return b"".join((
        b"DSKE", bytes((terms["version"], terms["n"], terms["k"])), key_id, _party(terms["initiator"]),
        struct.pack(">H", len(responders)), *map(_party, responders), struct.pack(">Q", len(key)),
        poly1305(r + bytes(16), key) + r if len(key) > 1024 else key,
    ))  # fmt: skip


def _party(pair: Sequence[str]) -> bytes:
    return b"".join(bytes([len(name.encode())]) + name.encode() for name in pair)


def right_form(terms: dict[str, Any], share: Share) -> bool:
    """Lengths as the terms demand, and elements below p."""
    length = terms["key_bytes"]
    codes = 48 if length > 1024 else 32
    if len(share.share) != length or len(share.code) != codes:
        return False
    return all(element < fields.P for element in fields.elements(share.code[:32]))


def rebuild(terms: dict[str, Any], key_id: bytes, shares: Sequence[Share]) -> bytes | None:
    """The key of k shares, or None where the secret tag fails."""
    xs = [share.x for share in shares]
    key, r = (bytes_at_0(xs, part) for part in ([s.share for s in shares], [s.code[32:] for s in shares]))
    elements = [fields.elements(share.code[:32]) for share in shares]
    x, f = (
        fields.gfp_interpolate([(at, pair[i]) for at, pair in zip(xs, elements, strict=True)], 0)
        for i in range(2)
    )
    message = tag_message(terms, key_id, key, r)
    return key if fields.amd_tag(x, fields.message_blocks(message)) == f else None


def bytes_at_0(xs: Sequence[int], strings: Sequence[bytes]) -> bytes:
    """The string whose shares these are."""
    columns = zip(*strings, strict=True)
    return bytes(fields.gf256_interpolate(list(zip(xs, column, strict=True)), 0) for column in columns)


def recover(terms: dict[str, Any], key_id: bytes, shares: Sequence[Share]) -> bytes | None:
    """The key of any k of these shares that the secret tag takes, or None."""
    good = [share for share in shares if right_form(terms, share)]
    for chosen in combinations(good, terms["k"]):
        key = rebuild(terms, key_id, chosen)
        if key is not None:
            return key
    return None


def wrong(terms: dict[str, Any], shares: Sequence[Share], key_id: bytes) -> list[int]:
    """xs of the shares that no k shares with a right secret tag agree with."""
    good = [share for share in shares if right_form(terms, share)]
    agreed: set[int] = set()
    for chosen in combinations(good, terms["k"]):
        if rebuild(terms, key_id, chosen) is not None:
            agreed.update(share.x for share in chosen)
    return sorted({share.x for share in shares} - agreed)
