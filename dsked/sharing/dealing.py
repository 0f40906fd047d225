"""Dealing keys to hubs; with what the responder does, the whole interface of the sharing.

A dealing of one key gives every hub a share of the key over GF(2^8), and, for each responder client, a
code share: x and its secret tag f over GF(2^127 - 1), and, for long keys, the hash key r over GF(2^8).
Everything works on batches: the keys of one call are shared as one long string.

The responder rebuilds from k shares (`rebuild`). Only if the secret tag fails does it look for the
wrong ones among all that it has (`search`). Which hubs lied is a question of its own (`proof`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsked import limits
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.bounds import failure_bound_log2
from dsked.sharing.rebuilding import rebuild
from dsked.sharing.shares import PAIR_BYTES, HubShare, KeyShare, code_bytes, tag_message
from dsked.sharing.terms import Party, Terms, hashes_key, responder_clients, sort_parties

__all__ = [
    "HubShare",
    "KeyShare",
    "Party",
    "Terms",
    "code_bytes",
    "deal",
    "failure_bound_log2",
    "rebuild",
    "responder_clients",
    "sort_parties",
]


def deal(
    keys: Sequence[tuple[bytes, bytes]], terms: Terms, xs: Sequence[int], random: Callable[[int], bytes]
) -> list[list[HubShare]]:
    """Deal `keys`, pairs of (key ID of 16 bytes, key of terms.key_bytes), to the hubs at `xs`.

    Returns one list per hub, in the order of `xs`, with one HubShare per key, in the order of `keys`.
    `xs` are the x-coordinates of all n hubs, distinct, 1..255. `random(n)` returns n uniform bytes.
    Raises ValueError where lengths, xs or terms do not fit.
    """
    if len(xs) != terms.n:
        raise ValueError("a dealing needs the x-coordinate of each of its n hubs")
    if any(len(key_id) != limits.KEY_ID_BYTES or len(key) != terms.key_bytes for key_id, key in keys):
        raise ValueError("a key ID has 16 bytes, and a key the length that the terms tell")
    clients = len(responder_clients(terms))
    hash_keys, pairs = _make_codes(keys, terms, clients, random)
    secret = b"".join([key for _, key in keys] + hash_keys)
    byte_shares = shamir.split(secret, xs, terms.k, random)
    pair_shares = gfp.split(b"".join(pairs), xs, terms.k, random)
    return [
        _hub_shares(of_bytes, of_pairs, terms.key_bytes, len(keys), clients)
        for of_bytes, of_pairs in zip(byte_shares, pair_shares, strict=True)
    ]


def _make_codes(
    keys: Sequence[tuple[bytes, bytes]], terms: Terms, clients: int, random: Callable[[int], bytes]
) -> tuple[list[bytes], list[bytes]]:
    """(r of every code, empty for short keys; x | f of every code), key by key, and client by client."""
    count = len(keys) * clients
    elements = gfp.uniform(count, random)
    xs = _cut(elements, gfp.ELEMENT_BYTES)
    hash_keys: list[bytes] = []
    if hashes_key(terms):
        hash_keys = _cut(random(count * amd.HASH_KEY_BYTES), amd.HASH_KEY_BYTES)
    pairs = []
    for i, x in enumerate(xs):
        key_id, key = keys[i // clients]
        covered = tag_message(terms, key_id, key, hash_keys[i] if hash_keys else b"")
        f = amd.tag(int.from_bytes(x, "little"), covered)
        pairs.append(x + f.to_bytes(gfp.ELEMENT_BYTES, "little"))
    return hash_keys, pairs


def _hub_shares(of_bytes: bytes, of_pairs: bytes, key_bytes: int, keys: int, clients: int) -> list[HubShare]:
    """Cut one hub's shares of the whole batch into keys."""
    end = keys * key_bytes
    codes = _cut(of_pairs, PAIR_BYTES)
    if len(of_bytes) > end:
        hash_keys = _cut(of_bytes[end:], amd.HASH_KEY_BYTES)
        codes = [pair + hash_key for pair, hash_key in zip(codes, hash_keys, strict=True)]
    shares = _cut(of_bytes[:end], key_bytes)
    # One iterator `clients` times over gives the codes of one key as one tuple.
    return list(map(HubShare, shares, zip(*[iter(codes)] * clients, strict=True)))


def _cut(string: bytes, size: int) -> list[bytes]:
    return [string[start : start + size] for start in range(0, len(string), size)]
