"""The search for good shares and the proof of who lied, each at one go, as no daemon does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dsked.errors import ReconstructionError
from dsked.sharing.cost import at_once
from dsked.sharing.proof import disagreeing_columns, prove_wrong
from dsked.sharing.rebuilding import as_columns
from dsked.sharing.search import Search
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms


class Recovered(NamedTuple):
    """A key that passed the secret tag although some shares are wrong, and the xs of hubs proven wrong."""

    key: bytes
    wrong: tuple[int, ...]
    passed: tuple[KeyShare, ...]  # the k shares that gave it


def recover(terms: Terms, key_id: bytes, shares: Sequence[KeyShare]) -> Recovered:
    """The key from m >= k shares with distinct xs, of which some are wrong in any way.

    Succeeds if at most floor((m - k) / 2) shares are wrong, and, as long as C(m, k) <= MAX_SUBSETS, if any
    k are right. Raises ReconstructionError otherwise.
    """
    assert len({share.x for share in shares}) == len(shares)
    search = Search(terms, key_id)
    search.add(shares)
    at_once(search.work())
    if search.key is None:
        raise ReconstructionError(
            f"the key cannot be rebuilt: no {terms.k} of the {len(shares)} shares in hand pass the secret tag"
        )
    used = {share.x for share in search.passed}
    others = [share for share in shares if share.x not in used]
    return Recovered(search.key, at_once(prove_wrong(terms, search.passed, others)), search.passed)


def mismatches(
    terms: Terms, batch: Sequence[tuple[Sequence[KeyShare], Sequence[KeyShare]]]
) -> list[tuple[int, ...]]:
    """For each entry, (the k shares that passed the secret tag, all others in hand): the xs proven wrong.

    Sorted, and empty where everything agrees or nothing is proven: no hub is named while m < 2k - 1, so ask
    when the last shares are in. Never names an honest hub if at most k - 1 hubs lie.
    """
    disagreeing = set(find_disagreeing(terms, batch))
    return [
        at_once(prove_wrong(terms, passed, others)) if index in disagreeing else ()
        for index, (passed, others) in enumerate(batch)
    ]


def find_disagreeing(
    terms: Terms, batch: Sequence[tuple[Sequence[KeyShare], Sequence[KeyShare]]]
) -> list[int]:
    """The indices of the entries of which not all shares lie on one polynomial.

    Entries with the same xs in the same order are compared as one string.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (passed, others) in enumerate(batch):
        groups.setdefault(tuple([share.x for share in (*passed, *others)]), []).append(index)
    disagreeing: list[int] = []
    for members in groups.values():
        entries = [[*batch[index][0], *batch[index][1]] for index in members]
        whole, columns = as_columns(terms, entries)
        odd = {*range(len(entries))} - {*whole} | {whole[i] for i in disagreeing_columns(terms, columns)}
        disagreeing += [members[i] for i in odd]
    return sorted(disagreeing)
