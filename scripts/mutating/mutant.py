"""What a mutant is: one rule of the product, broken on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault: in `file`, the only `before` becomes `after`; some of `tests` must fail.

    `more`: further such pairs in the same file, where a rule is kept in two places.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()

    def changes(self) -> Iterator[tuple[str, str]]:
        """(before, after) of every replacement."""
        yield self.before, self.after
        yield from self.more

    def applied(self, text: str) -> str:
        """The file's text with the fault in it. Raises ValueError where a text stands there not once."""
        for before, after in self.changes():
            if text.count(before) != 1:
                found = f"{text.count(before)} times, not once"
                raise ValueError(f"{self.name}: {self.file} holds {before.strip()[:60]!r} {found}")
            text = text.replace(before, after)
        return text
