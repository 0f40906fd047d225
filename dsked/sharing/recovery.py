"""When shares are wrong: finding k good ones, and saying which hubs lied, each at one go.

A daemon cuts both into slices instead: `search.Search` and `proof.prove_wrong`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, NoReturn, TypeVar

from dsked.errors import FrameError, ReconstructionError
from dsked.secrecy import no_pickle
from dsked.sharing.points import Point, agreeing
from dsked.sharing.proof import prove_wrong
from dsked.sharing.rebuilding import join_columns
from dsked.sharing.search import Search
from dsked.sharing.shares import KeyShare
from dsked.sharing.terms import Terms

Result = TypeVar("Result")


class Recovered(NamedTuple):
    """A key that passed the secret tag although some shares are wrong, and the xs of hubs proven wrong."""

    key: bytes
    wrong: tuple[int, ...]
    passed: tuple[KeyShare, ...]  # the k shares that gave it

    def __repr__(self) -> str:
        return f"Recovered({len(self.key)} bytes, wrong={self.wrong})"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


def recover(terms: Terms, key_id: bytes, shares: Sequence[KeyShare]) -> Recovered:
    """The key from m >= k shares with distinct xs, of which some are wrong in any way.

    Succeeds if at most floor((m - k) / 2) shares are wrong, and, as long as C(m, k) <= MAX_SUBSETS, if any
    k are right. Raises ReconstructionError otherwise.
    """
    _check_distinct([share.x for share in shares])
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


def at_once(work: Generator[int, None, Result]) -> Result:
    """Do work that is made to be cut into slices without a break."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result


def find_disagreeing(
    terms: Terms, batch: Sequence[tuple[Sequence[KeyShare], Sequence[KeyShare]]]
) -> list[int]:
    """The indices of the entries of which not all shares lie on one polynomial.

    Entries with the same xs in the same order are compared as one string.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (passed, others) in enumerate(batch):
        groups.setdefault(tuple([share.x for share in (*passed, *others)]), []).append(index)
    disagreeing = []
    for xs, members in groups.items():
        _check_distinct(xs)
        entries = [[*batch[index][0], *batch[index][1]] for index in members]
        if not _all_agree(terms, entries):
            disagreeing += [
                index for index, entry in zip(members, entries, strict=True) if not _all_agree(terms, [entry])
            ]
    return disagreeing


def _all_agree(terms: Terms, entries: Sequence[Sequence[KeyShare]]) -> bool:
    """Whether each entry's shares lie on one polynomial; the entries have the same xs."""
    try:
        columns = join_columns(terms, entries)
    except FrameError:
        return False
    xs = [share.x for share in entries[0]]
    points = [Point(*parts) for parts in zip(xs, *columns, strict=True)]
    base, others = points[: terms.k], points[terms.k :]
    return len(agreeing(base, others, len(others))) == len(others)


def _check_distinct(xs: Sequence[int]) -> None:
    if len(set(xs)) != len(xs):
        raise ValueError("every hub gives one share: x-coordinates are distinct")
