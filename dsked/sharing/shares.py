"""The shares of a key, and the check of what was rebuilt from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, NoReturn

from dsked import limits
from dsked.secrecy import no_pickle
from dsked.sharing import amd, gfp
from dsked.sharing.terms import Terms, hashes_key, message_frame

#: x and f, the first part of every code share; r follows where the key is hashed.
PAIR_BYTES = 2 * gfp.ELEMENT_BYTES


class HubShare(NamedTuple):
    """What one hub gets of one key: the share, and one code share per responder client, in their order."""

    share: bytes
    codes: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"HubShare({len(self.share)} bytes, {len(self.codes)} codes)"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


class HubColumns(NamedTuple):
    """What one hub gets of a whole batch: every share, and every code, one after the other.

    `codes` are laid out key by key, those of one key in the order of `responder_clients`.
    """

    shares: bytes
    codes: bytes

    def __repr__(self) -> str:
        return f"HubColumns({len(self.shares)} bytes, {len(self.codes)} bytes of codes)"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


class KeyShare(NamedTuple):
    """What one hub gives one responder client of one key; x is the hub's configured x-coordinate."""

    x: int
    share: bytes
    code: bytes

    def __repr__(self) -> str:
        return f"KeyShare(x={self.x}, {len(self.share)} bytes)"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


def code_bytes(terms: Terms) -> int:
    """Length of one responder client's code share: x and f, and r for keys that are hashed."""
    return PAIR_BYTES + (amd.HASH_KEY_BYTES if hashes_key(terms) else 0)


def split_codes(terms: Terms, codes: bytes) -> tuple[bytes, bytes]:
    """(x | f of every code, r of every code): the parts over GF(p), and those over GF(2^8)."""
    if not hashes_key(terms):
        return codes, b""
    size = code_bytes(terms)
    starts = range(0, len(codes), size)
    pairs = [codes[start : start + PAIR_BYTES] for start in starts]
    return b"".join(pairs), b"".join([codes[start + PAIR_BYTES : start + size] for start in starts])


def join_codes(pairs: bytes, hash_keys: bytes) -> bytes:
    """The inverse of `split_codes`."""
    if not hash_keys:
        return pairs
    parts = zip(cut(pairs, PAIR_BYTES), cut(hash_keys, amd.HASH_KEY_BYTES), strict=True)
    return b"".join([part for code in parts for part in code])


def cut(string: bytes, size: int) -> list[bytes]:
    """`string` in pieces of `size` bytes."""
    return [string[start : start + size] for start in range(0, len(string), size)]


def tag_message(terms: Terms, key_id: bytes, key: bytes, hash_key: bytes) -> bytes:
    """What the secret tag of one key and one responder client covers. `hash_key` is empty for short keys."""
    before, after = message_frame(terms)
    return before + key_id + after + _covered(hash_key, key)


def _covered(hash_key: bytes, key: bytes) -> bytes:
    """The key, or h and r in its place."""
    return amd.key_hash(hash_key, key) + hash_key if hash_key else key


def secret_tags(
    terms: Terms,
    key_ids: Sequence[bytes],
    keys: Sequence[bytes],
    hash_keys: Sequence[bytes],
    xs: Sequence[bytes],
) -> list[bytes]:
    """f of each key for its x, both as 16 bytes. `hash_keys` are those of long keys, none for short ones."""
    covered = list(map(_covered, hash_keys, keys)) if hashes_key(terms) else keys
    numbers = [int.from_bytes(x, "little") for x in xs]
    tags = amd.tags(_frame(terms), numbers, key_ids, covered)
    return [tag.to_bytes(gfp.ELEMENT_BYTES, "little") for tag in tags]


@lru_cache(maxsize=1024)
def _frame(terms: Terms) -> amd.Frame:
    before, after = message_frame(terms)
    return amd.frame(before, limits.KEY_ID_BYTES, after, _covered_bytes(terms))


def _covered_bytes(terms: Terms) -> int:
    return 2 * amd.HASH_KEY_BYTES if hashes_key(terms) else terms.key_bytes


def tag_message_bytes(terms: Terms) -> int:
    """The length of what the secret tag covers."""
    before, after = message_frame(terms)
    return len(before) + limits.KEY_ID_BYTES + len(after) + _covered_bytes(terms)
