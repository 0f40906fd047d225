"""The columns of shares that tell all there is to tell about errors, found in one pass over long shares.

A column, the values of one byte at all m hubs, is a word of a Reed-Solomon code plus errors, and what can be
known of the errors is the syndrome: the values of m - k parity checks. Everything that is asked here of all
columns at once (do these hubs lie on one polynomial, also together with a given secret?) is linear in the
syndrome. So it holds for every column if it holds for some whose syndromes span all others: at most m - k,
and no more than there are liars, however long the shares are.

They are found by elimination: checks that are zero everywhere stay; where one is not, that column is noted,
and the check is used to make the others zero there.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from dsked.sharing import gf256, shamir
from dsked.sharing.cost import combining
from dsked.sharing.points import Point

#: One step adds up about so many bytes: a millisecond at most,
STEP_BYTES = 1024 * 1024
#: but looks at so many of every share at least.
LEAST_PIECE_BYTES = 4096

_Check = list[int]  # the weight of each share


class OddColumns:
    """A basis of the columns in which points of distinct xs are not on one polynomial of degree < k.

    `offsets` is complete when `done`. Their number is the rank of the errors, if these are at m - k hubs.
    """

    def __init__(self, points: Sequence[Point], k: int) -> None:
        self.offsets: list[int] = []
        points = sorted(points, key=attrgetter("x"))  # whoever came first: the checks are worked out once
        self._strings = [point.string for point in points]
        self._checks = _parity_checks([point.x for point in points], k)
        self._start = 0
        self._piece_bytes = max(STEP_BYTES // max(len(self._checks) * (k + 1), 1), LEAST_PIECE_BYTES)

    @property
    def done(self) -> bool:
        """True when the last column has been looked at, or nothing can be learnt from further ones."""
        return not self._checks or self._start >= len(self._strings[0])

    def step(self) -> int:
        """Look at the next piece; gives the cost."""
        end = self._start + self._piece_bytes
        piece = [string[self._start : end] for string in self._strings]
        checks, silent, cost = self._checks, [], 0
        while checks:
            check = checks.pop()
            sums, work = _sums(check, piece)
            cost += work
            if sums == bytes(len(sums)):
                silent.append(check)
                continue
            at = len(sums) - len(sums.lstrip(b"\0"))
            self.offsets.append(self._start + at)
            column = [string[at] for string in piece]
            checks = [_silenced(other, check, column) for other in checks]
        self._checks = silent
        self._start = end
        return cost


def _parity_checks(xs: Sequence[int], k: int) -> list[_Check]:
    """One check for each point beyond the first k: its value less that of the polynomial through k before."""
    rows = shamir.interpolation(tuple(xs[:k]), tuple(xs[k:]))
    return [[*row, 1, *[0] * (len(xs) - len(row) - 1)] for row in rows]


def _sums(check: _Check, strings: Sequence[bytes]) -> tuple[bytes, int]:
    """The check's value in every column, and what that cost."""
    sums = gf256.combine(check, strings)
    return sums, combining(len(check) - check.count(0), len(sums))


def _silenced(check: _Check, by: _Check, column: Sequence[int]) -> _Check:
    """`check` plus the multiple of `by` that makes it zero in this column."""
    factor = gf256.MUL[_value(check, column)][gf256.INVERSE[_value(by, column)]]
    row = gf256.MUL[factor]
    return [weight ^ row[other] for weight, other in zip(check, by, strict=True)]


def _value(check: _Check, column: Sequence[int]) -> int:
    value = 0
    for weight, y in zip(check, column, strict=True):
        value ^= gf256.MUL[weight][y]
    return value


def only(points: Sequence[Point], offsets: Sequence[int]) -> list[Point]:
    """The same points with these columns only."""
    return [point._replace(string=bytes([point.string[i] for i in offsets])) for point in points]
