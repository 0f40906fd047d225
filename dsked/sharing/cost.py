"""What work on shares costs, in units of about a microsecond of one core, to cut it into slices by.

Estimates, from measurements on the machine of docs/lying-hubs.md; a clock would make the search depend on
when it runs. Only who waits how long depends on them, never what is found.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")

_BYTES_PER_UNIT = 500  # multiplied by a constant and added
_HASHED_BYTES_PER_UNIT = 1000  # the tag of a short key, the hash of a long one


def combining(strings: int, length_bytes: int) -> int:
    """A weighted sum of so many strings."""
    return 3 + strings * (length_bytes + 100) // _BYTES_PER_UNIT


def rebuilding(k: int, key_bytes: int) -> int:
    """One candidate: k shares joined, and the secret tag checked. The k^2 is for Lagrange's coefficients."""
    return 20 + k * k + (k * key_bytes) // _BYTES_PER_UNIT + key_bytes // _HASHED_BYTES_PER_UNIT


def decoding(m: int) -> int:
    """Errors located in one column of m shares."""
    return 20 + 2 * m * m


def at_once(work: Generator[int, None, Result]) -> Result:
    """Do work that is made to be cut into slices without a break: for tools, which keep nobody waiting."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
