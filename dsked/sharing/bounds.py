"""The probability that a wrong key is accepted, as a number."""

from __future__ import annotations

from math import comb, log2

from dsked.sharing import amd, gfp
from dsked.sharing.shares import tag_message_bytes
from dsked.sharing.terms import Terms, hashes_key


def failure_bound_log2(terms: Terms, keys: int = 1, candidates: int | None = None) -> float:
    """log2 of the bound on the probability that any of `keys` keys is accepted wrong.

    `candidates` is how many subsets of shares are tried per key; by default all C(n, k). With d blocks
    in the message of the secret tag, L bytes of key, and e = 8 * ceil(L / 16) / 2^106 for keys of more
    than 1024 bytes, else e = 0:

        bound = keys * candidates * ((d + 2) / (2^127 - 1) + e)

    Proof. At most k - 1 hubs lie. All that they see, the key itself given to them, is independent of x
    (and of r), since k - 1 shares are; so for each candidate the differences that their shares add to
    what is rebuilt are fixed before x and r are drawn. If the key is wrong, then, for a short key, the
    message is, and the secret tag passes for at most d + 1 of the 2^127 - 1 values of x (see `amd`; d + 2
    leaves room). For a long key, either the rebuilt h or r differs, and the same holds; or r is right and
    both keys have one hash, with probability at most e over r. Candidates and keys add up. It makes no
    difference how the liars choose, nor what computing power they have.
    """
    if candidates is None:
        candidates = comb(terms.n, terms.k)
    d = amd.block_count(tag_message_bytes(terms))
    per_candidate = (d + 2) / gfp.P
    if hashes_key(terms):
        per_candidate += 8 * -(-terms.key_bytes // 16) / 2**106
    return log2(keys) + log2(candidates) + log2(per_candidate)
