"""Dealing keys to hubs; with what the responder does, the whole interface of the sharing.

A dealing of one key gives every hub a share of the key over GF(2^8), and, for each responder client, a
code share: x and its secret tag f over GF(2^127 - 1), and, for long keys, the hash key r over GF(2^8).
Everything works on batches: the keys of one call are shared as one long string.

The responder rebuilds from k shares (`rebuild`). Only if the secret tag fails does it look for the
wrong ones among all that it has (`search`). Which hubs lied is a question of its own (`proof`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

from dsked import limits
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.bounds import failure_bound_log2
from dsked.sharing.rebuilding import rebuild, rebuild_columns
from dsked.sharing.shares import (
    HubColumns,
    HubShare,
    KeyShare,
    code_bytes,
    cut,
    join_codes,
    secret_tags,
)
from dsked.sharing.terms import Party, Terms, hashes_key, responder_clients, sort_parties

__all__ = [
    "HubColumns",
    "HubShare",
    "KeyShare",
    "Party",
    "Terms",
    "code_bytes",
    "deal",
    "deal_columns",
    "failure_bound_log2",
    "rebuild",
    "rebuild_columns",
    "responder_clients",
    "sort_parties",
]


def deal_columns(
    key_ids: bytes, keys: bytes, terms: Terms, xs: Sequence[int], random: Callable[[int], bytes]
) -> list[HubColumns]:
    """Deal a batch of keys of terms.key_bytes each, with IDs of 16 bytes each, to the hubs at `xs`.

    `key_ids` and `keys` hold them one after the other. Returns what each hub gets, in the order of `xs`,
    which are the x-coordinates of all n hubs, distinct, 1..255. `random(n)` returns n uniform bytes.
    Raises ValueError where lengths, xs or terms do not fit.
    """
    if len(xs) != terms.n:
        raise ValueError("a dealing needs the x-coordinate of each of its n hubs")
    number, rest = divmod(len(key_ids), limits.KEY_ID_BYTES)
    if rest or len(keys) != number * terms.key_bytes:
        raise ValueError("a key ID has 16 bytes, and a key the length that the terms tell")
    hash_keys, pairs = _make_codes(
        cut(key_ids, limits.KEY_ID_BYTES), cut(keys, terms.key_bytes), terms, random
    )
    of_keys = shamir.split(keys, xs, terms.k, random)
    of_hash_keys = shamir.split(hash_keys, xs, terms.k, random) if hash_keys else repeat(b"")
    of_codes = map(join_codes, gfp.split(pairs, xs, terms.k, random), of_hash_keys)
    return list(map(HubColumns, of_keys, of_codes))


def _make_codes(
    key_ids: Sequence[bytes], keys: Sequence[bytes], terms: Terms, random: Callable[[int], bytes]
) -> tuple[bytes, bytes]:
    """(r of every code, none for short keys; x | f of every code), key by key, and client by client."""
    clients = len(responder_clients(terms))
    count = len(keys) * clients
    xs = gfp.elements(gfp.uniform(count, random))
    hash_keys = random(count * amd.HASH_KEY_BYTES) if hashes_key(terms) else b""
    rs = cut(hash_keys, amd.HASH_KEY_BYTES)
    tags = secret_tags(terms, _each(key_ids, clients), _each(keys, clients), rs, xs)
    return hash_keys, b"".join([part for pair in zip(xs, tags, strict=True) for part in pair])


def _each(strings: Sequence[bytes], times: int) -> Sequence[bytes]:
    """Every string so many times."""
    return strings if times == 1 else [string for string in strings for _ in range(times)]


def deal(
    keys: Sequence[tuple[bytes, bytes]], terms: Terms, xs: Sequence[int], random: Callable[[int], bytes]
) -> list[list[HubShare]]:
    """As `deal_columns`, for `keys`, pairs of (key ID, key): one list per hub, with one HubShare per key."""
    if any(len(key_id) != limits.KEY_ID_BYTES or len(key) != terms.key_bytes for key_id, key in keys):
        raise ValueError("a key ID has 16 bytes, and a key the length that the terms tell")
    key_ids, values = b"".join([key_id for key_id, _ in keys]), b"".join([key for _, key in keys])
    return [_hub_shares(hub, terms) for hub in deal_columns(key_ids, values, terms, xs, random)]


def _hub_shares(hub: HubColumns, terms: Terms) -> list[HubShare]:
    # One iterator `clients` times over gives the codes of one key as one tuple.
    codes = [iter(cut(hub.codes, code_bytes(terms)))] * len(responder_clients(terms))
    return list(map(HubShare, cut(hub.shares, terms.key_bytes), zip(*codes, strict=True)))
