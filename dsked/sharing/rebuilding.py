"""Rebuilding keys from exactly k shares each, whole batches at once: the responder's fast path."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from dsked.errors import FrameError
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.shares import PAIR_BYTES, KeyShare, code_bytes, cut, secret_tags, split_codes
from dsked.sharing.terms import Terms, hashes_key

#: What one hub gives one responder client of a whole batch: x, the shares, and one code for each key.
Column = tuple[int, bytes, bytes]


def rebuild_columns(terms: Terms, key_ids: Sequence[bytes], columns: Sequence[Column]) -> list[bytes | None]:
    """The keys with these IDs from exactly k columns with distinct xs, each checked.

    None where the secret tag fails or a share is malformed: `search` is for those. Each column holds the
    shares and codes of all keys, in the order of `key_ids`. Raises ValueError where it does not.
    """
    if len(columns) != terms.k:
        raise ValueError("a key is rebuilt from exactly k shares")
    check_columns(terms, len(key_ids), columns)
    xs = [x for x, _, _ in columns]
    codes = [split_codes(terms, codes) for _, _, codes in columns]
    malformed, of_pairs = without_malformed([pairs for pairs, _ in codes])
    parts = gfp.elements(gfp.join(list(zip(xs, of_pairs, strict=True))))
    hash_keys: list[bytes] = []
    if hashes_key(terms):
        joined = shamir.join([(x, hash_keys) for x, (_, hash_keys) in zip(xs, codes, strict=True)])
        hash_keys = cut(joined, amd.HASH_KEY_BYTES)
    keys = cut(shamir.join([(x, shares) for x, shares, _ in columns]), terms.key_bytes)
    wanted, tags = parts[1::2], secret_tags(terms, key_ids, keys, hash_keys, parts[::2])
    if not malformed and hmac.compare_digest(b"".join(tags), b"".join(wanted)):
        return list(keys)
    return [
        key if hmac.compare_digest(tag, f) and i not in malformed else None
        for i, (key, tag, f) in enumerate(zip(keys, tags, wanted, strict=True))
    ]


def check_columns(terms: Terms, number: int, columns: Sequence[Column]) -> None:
    """Raise ValueError unless each column covers so many keys, and their xs are distinct."""
    wanted = {(number * terms.key_bytes, number * code_bytes(terms))}
    if {(len(shares), len(codes)) for _, shares, codes in columns} != wanted:
        raise ValueError("a column holds a share and a code of each key")
    if len({x for x, _, _ in columns}) != len(columns):
        raise ValueError("every hub gives one share: x-coordinates are distinct")


def without_malformed(of_pairs: Sequence[bytes]) -> tuple[set[int], list[bytes]]:
    """The keys of which a hub's x or f is no element of GF(p), and all hubs' x | f with zeros for those."""
    malformed = {
        element // 2
        for pairs in of_pairs
        if not gfp.is_canonical(pairs)
        for element, string in enumerate(cut(pairs, gfp.ELEMENT_BYTES))
        if not gfp.is_canonical(string)
    }
    if not malformed:
        return malformed, list(of_pairs)
    zero = bytes(PAIR_BYTES)
    return malformed, [
        b"".join([zero if i in malformed else pair for i, pair in enumerate(cut(pairs, PAIR_BYTES))])
        for pairs in of_pairs
    ]


def rebuild(terms: Terms, batch: Sequence[tuple[bytes, Sequence[KeyShare]]]) -> list[bytes | None]:
    """The keys of `batch`, pairs of (key ID, exactly k shares with distinct xs), each checked.

    None where the secret tag fails or a share is malformed: `search` is for those. Entries with the
    same xs in the same order are joined as one string, so give shares in a steady order.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (_, shares) in enumerate(batch):
        if len(shares) != terms.k:
            raise ValueError("a key is rebuilt from exactly k shares")
        groups.setdefault(tuple([share.x for share in shares]), []).append(index)
    keys: list[bytes | None] = [None] * len(batch)
    for members in groups.values():
        whole, columns = as_columns(terms, [batch[index][1] for index in members])
        found = rebuild_columns(terms, [batch[members[i]][0] for i in whole], columns)
        for i, key in zip(whole, found, strict=True):
            keys[members[i]] = key
    return keys


def as_columns(terms: Terms, entries: Sequence[Sequence[KeyShare]]) -> tuple[list[int], list[Column]]:
    """Which of the entries, of the same xs, have shares of the right lengths only; and those in columns."""
    wanted = terms.key_bytes, code_bytes(terms)
    whole = [
        i
        for i, entry in enumerate(entries)
        if all((len(share.share), len(share.code)) == wanted for share in entry)
    ]
    columns = []
    for place, share in enumerate(entries[0]):
        given = [entries[i][place] for i in whole]
        columns.append((share.x, b"".join([s.share for s in given]), b"".join([s.code for s in given])))
    return whole, columns


def join_columns(terms: Terms, entries: Sequence[Sequence[KeyShare]]) -> tuple[list[bytes], list[bytes]]:
    """For each position in an entry: shares (and r) of all entries as one string, and x | f of all.

    Raises FrameError if one of them has a wrong length.
    """
    wanted_share, wanted_code = terms.key_bytes, code_bytes(terms)
    of_bytes, of_pairs = [], []
    for column in zip(*entries, strict=True):
        shares, codes = [share.share for share in column], [share.code for share in column]
        if set(map(len, shares)) != {wanted_share} or set(map(len, codes)) != {wanted_code}:
            raise FrameError("a share or a code share has a length that its terms do not allow")
        if hashes_key(terms):
            shares += [code[PAIR_BYTES:] for code in codes]
            codes = [code[:PAIR_BYTES] for code in codes]
        of_bytes.append(b"".join(shares))
        of_pairs.append(b"".join(codes))
    return of_bytes, of_pairs
