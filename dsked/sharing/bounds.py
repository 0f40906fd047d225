"""What may go wrong by chance, as exact numbers: probabilities at most, and what a topology tolerates.

The derivations stand in proto/sharing.md, section 7. Probabilities are fractions; `log2_of` gives their
powers of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import comb, log2
from typing import NamedTuple

from dsked import limits
from dsked.sharing import amd, gfp
from dsked.sharing.shares import tag_message_bytes
from dsked.sharing.terms import Terms, hashes_key

#: Bytes under a frame's tag: the receiver's nonce, the direction, and the frame with its length prefix.
MAX_TAGGED_BYTES = limits.NONCE_BYTES + 1 + 4 + limits.MAX_FRAME_BYTES - limits.TAG_BYTES
#: Random bits of a key ID, a UUID of version 4 (RFC 9562, section 5.4).
KEY_ID_RANDOM_BITS = 122


def log2_of(probability: Fraction) -> float:
    """log2 of a probability above 0, however small it is."""
    return log2(probability.numerator) - log2(probability.denominator)


def poly1305_difference(message_bytes: int) -> Fraction:
    """8 * ceil(L / 16) / 2^106: two messages of at most L bytes, and the difference of their Poly1305 values.

    The probability over r that it is one that was chosen before (Bernstein, FSE 2005).
    """
    return Fraction(8 * -(-message_bytes // limits.TAG_BYTES), 2**106)


def forged_frame(attempts: int, tagged_bytes: int = MAX_TAGGED_BYTES) -> Fraction:
    """Any of so many forged frames of at most so many bytes under the tag is accepted."""
    return attempts * poly1305_difference(tagged_bytes)


def max_candidates(n: int, k: int) -> int:
    """Sets of k shares that a responder tries for one key at most.

    Subsets are searched while there are at most MAX_SUBSETS; beyond that each share that comes adds the one
    set that decoding leaves, and a key the one that passed for another key (see `search`).
    """
    return min(comb(n, k), limits.MAX_SUBSETS + n - k)


def candidate_passes(terms: Terms) -> Fraction:
    """A set of k shares, of which up to k - 1 are wrong, gives a wrong key that passes the secret tag."""
    passes = Fraction(amd.block_count(tag_message_bytes(terms)) + 2, gfp.P)
    return passes + poly1305_difference(terms.key_bytes) if hashes_key(terms) else passes


def wrong_key(terms: Terms, keys: int = 1, candidates: int | None = None) -> Fraction:
    """Any of `keys` keys is accepted wrong by one responder client. Each further one has an x of its own.

    `candidates` is how many sets of k shares are tried for one key; by default `max_candidates`. With d
    blocks in the message of the secret tag, L bytes of key, and e = 8 * ceil(L / 16) / 2^106 for keys of
    more than 1024 bytes, else e = 0:

        keys * candidates * ((d + 2) / (2^127 - 1) + e)

    Proof. At most k - 1 hubs lie. All that they see, the key itself given to them, is independent of x
    (and of r), since k - 1 shares are; so for each candidate the differences that their shares add to
    what is rebuilt are fixed before x and r are drawn. If the key is wrong, then, for a short key, the
    message is, and the secret tag passes for at most d + 1 of the 2^127 - 1 values of x (see `amd`; d + 2
    leaves room). For a long key, either the rebuilt h or r differs, and the same holds; or r is right and
    both keys have one hash, with probability at most e over r. Candidates and keys add up. It makes no
    difference how the liars choose, nor what computing power they have.
    """
    if candidates is None:
        candidates = max_candidates(terms.n, terms.k)
    return keys * candidates * candidate_passes(terms)


def failure_bound_log2(terms: Terms, keys: int = 1, candidates: int | None = None) -> float:
    """log2 of `wrong_key`."""
    return log2_of(wrong_key(terms, keys, candidates))


def same_key_id(keys: int) -> Fraction:
    """Two of so many keys of one initiator client get the same ID: the later request fails (CONFLICT)."""
    return Fraction(keys * (keys - 1) // 2, 2**KEY_ID_RANDOM_BITS)


def guessed_key(key_bytes: int, keys: int) -> Fraction:
    """One guess for each of so many keys, by whoever holds k - 1 shares or none: any of them is right."""
    return Fraction(keys, 2 ** (8 * key_bytes))


class Tolerance(NamedTuple):
    """What is tolerated while so many hubs are down: liars among the others with which keys still come."""

    down: int
    answering: int  # m
    liars_decoded: int  # found by decoding, whatever n is
    liars_searched: int  # found by searching all C(m, k) subsets; 0 where these are too many


def tolerances(n: int, k: int) -> Iterator[Tolerance]:
    """For 0 to n - k hubs down. A wrong key comes in none of these cases while fewer than k lie."""
    for down in range(n - k + 1):
        m = n - down
        searched = min(m - k, k - 1) if comb(m, k) <= limits.MAX_SUBSETS else 0
        yield Tolerance(down, m, min((m - k) // 2, k - 1), searched)
