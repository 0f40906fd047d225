"""A limit that several share, so that none of them uses up what the others need."""

from __future__ import annotations


class FairLimit:
    """Each may take as much as it leaves free: alone half of it, beside others that do the same less."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}  # of those that have taken something
        self.total = 0

    def fits(self, who: str, amount: int, most: int) -> bool:
        """True when `who` may take `amount` more, where all together may have `most`."""
        free = most - self.total
        return amount <= free and (self._of.get(who, 0) + amount <= free or not self.total)

    def take(self, who: str, amount: int) -> None:
        """`who` has taken it."""
        self._of[who] = self._of.get(who, 0) + amount
        self.total += amount

    def give_back(self, who: str, amount: int) -> None:
        """`who` needs it no more."""
        left = self._of.pop(who, 0) - amount
        if left:
            self._of[who] = left
        self.total -= amount
