"""Rebuilding keys from exactly k shares each, whole batches at once: the responder's fast path."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import TypeVar

from dsked.errors import FrameError
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.shares import PAIR_BYTES, KeyShare, code_bytes, cut, secret_tags, split_codes
from dsked.sharing.terms import Terms, hashes_key

Result = TypeVar("Result")

#: What one hub gives one responder client of a whole batch: x, the shares, and one code for each key.
Column = tuple[int, bytes, bytes]


def rebuild_columns(terms: Terms, key_ids: Sequence[bytes], columns: Sequence[Column]) -> list[bytes | None]:
    """The keys with these IDs from exactly k columns with distinct xs, each checked.

    None where the secret tag fails or a share is malformed: `search` is for those. Each column holds the
    shares and codes of all keys, in the order of `key_ids`. Raises ValueError where it does not.
    """
    if len(columns) != terms.k:
        raise ValueError("a key is rebuilt from exactly k shares")
    check_lengths(terms, len(key_ids), columns)
    xs = [x for x, _, _ in columns]
    of_pairs, of_hash_keys = split_columns(terms, columns)
    pairs, malformed = tolerating(lambda good: gfp.join(list(zip(xs, good, strict=True))), of_pairs)
    parts = gfp.elements(pairs)
    hash_keys = cut(shamir.join(of_hash_keys), amd.HASH_KEY_BYTES) if of_hash_keys else []
    keys = cut(shamir.join([(x, shares) for x, shares, _ in columns]), terms.key_bytes)
    wanted, tags = parts[1::2], secret_tags(terms, key_ids, keys, hash_keys, parts[::2])
    if not malformed and hmac.compare_digest(b"".join(tags), b"".join(wanted)):
        return list(keys)
    return [
        key if hmac.compare_digest(tag, f) and i not in malformed else None
        for i, (key, tag, f) in enumerate(zip(keys, tags, wanted, strict=True))
    ]


def check_lengths(terms: Terms, number: int, columns: Sequence[Column]) -> None:
    """Raise ValueError unless each column covers so many keys."""
    of_shares, of_codes = number * terms.key_bytes, number * code_bytes(terms)
    if any(len(shares) != of_shares or len(codes) != of_codes for _, shares, codes in columns):
        raise ValueError("a column holds a share and a code of each key")


def split_columns(terms: Terms, columns: Sequence[Column]) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """x | f of every key in each column; and (x, r of every key), nothing for short keys."""
    if not hashes_key(terms):
        return [codes for _, _, codes in columns], []
    parts = [split_codes(terms, codes) for _, _, codes in columns]
    hash_keys = [(x, part) for (x, _, _), (_, part) in zip(columns, parts, strict=True)]
    return [pairs for pairs, _ in parts], hash_keys


def tolerating(
    work: Callable[[Sequence[bytes]], Result], of_pairs: Sequence[bytes]
) -> tuple[Result, set[int]]:
    """What `work` makes of the columns of x | f, and the keys for which one of them is malformed.

    These have zeros in all columns then, so that the others are not hurt.
    """
    try:
        return work(of_pairs), set()
    except FrameError:
        malformed = set().union(*map(_malformed, of_pairs))
        zero = bytes(PAIR_BYTES)
        parts = [enumerate(cut(pairs, PAIR_BYTES)) for pairs in of_pairs]
        good = [b"".join([zero if i in malformed else pair for i, pair in column]) for column in parts]
        return work(good), malformed


def _malformed(pairs: bytes) -> set[int]:
    """The places where x or f is no element of GF(p)."""
    return {i for i, pair in enumerate(cut(pairs, PAIR_BYTES)) if not gfp.is_canonical(pair)}


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
