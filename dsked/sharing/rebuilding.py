"""Rebuilding keys from exactly k shares each, whole batches at once: the responder's fast path."""

from __future__ import annotations

from collections.abc import Sequence

from dsked.errors import FrameError
from dsked.sharing import amd, gfp, shamir
from dsked.sharing.shares import PAIR_BYTES, KeyShare, code_bytes, passes
from dsked.sharing.terms import Terms, hashes_key

_R_BYTES = amd.HASH_KEY_BYTES


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
    for xs, members in groups.items():
        entries = [batch[index] for index in members]
        for index, key in zip(members, _rebuild_group(terms, xs, entries), strict=True):
            keys[index] = key
    return keys


def _rebuild_group(
    terms: Terms, xs: tuple[int, ...], entries: Sequence[tuple[bytes, Sequence[KeyShare]]]
) -> list[bytes | None]:
    try:
        of_bytes, of_pairs = join_columns(terms, [shares for _, shares in entries])
        pairs = gfp.join(list(zip(xs, of_pairs, strict=True)))
    except FrameError:
        if len(entries) == 1:
            return [None]
        # A share in this batch is malformed: alone, each entry shows whether it is the one.
        return [key for entry in entries for key in _rebuild_group(terms, xs, [entry])]
    secret = shamir.join(list(zip(xs, of_bytes, strict=True)))
    length, end = terms.key_bytes, terms.key_bytes * len(entries)
    keys: list[bytes | None] = []
    for i, (key_id, _) in enumerate(entries):
        key = secret[i * length : (i + 1) * length]
        hash_key = secret[end + i * _R_BYTES : end + (i + 1) * _R_BYTES]
        pair = pairs[i * PAIR_BYTES : (i + 1) * PAIR_BYTES]
        keys.append(key if passes(terms, key_id, key, hash_key, pair) else None)
    return keys


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
