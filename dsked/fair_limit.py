"""A limit that several share, so that none of them uses up what the others need."""

from __future__ import annotations

from collections import Counter


class FairLimit:
    """Each may take as much as it leaves free: alone half of it, beside others that do the same less."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self.total = 0

    def fits(self, who: str, amount: int, most: int) -> bool:
        """True when `who` may take `amount` more, where all together may have `most`."""
        free = most - self.total
        return amount <= free and (self._of[who] + amount <= free or not self.total)

    def take(self, who: str, amount: int) -> None:
        """`who` has taken it."""
        self._of[who] += amount
        self.total += amount

    def give_back(self, who: str, amount: int) -> None:
        """`who` needs it no more."""
        self._of[who] -= amount
        self.total -= amount
        if not self._of[who]:
            del self._of[who]
