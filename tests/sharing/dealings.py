"""Dealings for the tests, with random bytes from a seed, and what a liar may do to a share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from dsked.sharing import dealing
from dsked.sharing.dealing import KeyShare, Party, Terms

INITIATOR = Party("carol", "sam")
RESPONDERS = (Party("celia", "sunny"), Party("connie", "sofia"), Party("connie", "susan"))


def seeded(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def terms(n: int = 5, k: int = 3, key_bytes: int = 32, responders: Sequence[Party] = RESPONDERS) -> Terms:
    return Terms(1, n, k, INITIATOR, tuple(responders), key_bytes)


def deal_one(
    of: Terms, xs: Sequence[int], seed: int, client: str = "connie"
) -> tuple[bytes, bytes, list[KeyShare]]:
    """One key: (key ID, key, what each hub gives `client`)."""
    draw = seeded(seed)
    key_id, key = draw(16), draw(of.key_bytes)
    hubs = dealing.deal([(key_id, key)], of, xs, draw)
    index = dealing.responder_clients(of).index(client)
    shares = [KeyShare(x, hub[0].share, hub[0].codes[index]) for x, hub in zip(xs, hubs, strict=True)]
    return key_id, key, shares


def add(share: KeyShare, key: bytes = b"", x: int = 0, f: int = 0, r: bytes = b"") -> KeyShare:
    """The share with differences added: over GF(2^8) to the first key bytes and to r, modulo p to x and f."""
    p = 2**127 - 1
    new_x = (int.from_bytes(share.code[:16], "little") + x) % p
    new_f = (int.from_bytes(share.code[16:32], "little") + f) % p
    return KeyShare(
        share.x,
        _xor(share.share, key),
        new_x.to_bytes(16, "little") + new_f.to_bytes(16, "little") + _xor(share.code[32:], r),
    )


def _xor(string: bytes, difference: bytes) -> bytes:
    padded = difference.ljust(len(string), b"\0")
    return bytes(a ^ b for a, b in zip(string, padded, strict=True))
